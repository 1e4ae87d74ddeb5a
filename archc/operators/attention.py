"""Attention."""

from collections.abc import Mapping, Sequence

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Number
from archc.ir.operator import WHOLE, Operator, Window, cases, expect
from archc.ir.types import TensorType, nominal
from archc.operators._broadcast import broadcast

HEADS = (2, 5, 4)  # of an example: heads, tokens, features


class Attention(Operator):
    """softmax(query @ key.T * scale + bias) @ value, over the last two axes; the scale is 1/sqrt(E) unless written.

    Shapes: query [N, ..., L, E], key [N, ..., S, E], value [N, ..., S, V], bias broadcast to [N, ..., L, S] ->
        [N, ..., L, V].
    Source: torch.nn.functional.scaled_dot_product_attention; Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1.
    """

    word = "attention"
    elsewhere = ("scaled_dot_product_attention", "sdpa", "multihead_attention", "mha")
    arity = 4
    branches = ("query", "key", "value", "bias")
    optional_branches = 1
    torch = "torch.nn.functional.scaled_dot_product_attention({xs}{scaled})"
    scale: Number | None = None
    examples = (
        *cases({}, {"scale": 0.25}, on=[HEADS, HEADS, HEADS]),
        *cases({}, on=[HEADS, (2, 7, 4), (2, 7, 3), (2, 5, 7)]),
        *cases({}, on=[(3, *HEADS), (3, *HEADS), (3, *HEADS), (1, 2, 5, 5)]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, ..., L, V]. Raises ShapeError: the branches do not fit, or the features are dynamic."""
        query, key, value, *bias = inputs
        shown = f"query {query}, key {key} and value {value}"
        expect(query.ndim == key.ndim == value.ndim >= 3, f"needs three axes or more, and as many of each: {shown}")
        same = query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        expect(same, f"needs the same axes before the tokens in all: {shown}")
        expect(isinstance(query.shape[-1], int), f"needs a fixed number of features, received {query}")
        features, tokens = query.shape[-1], key.shape[-2]
        sizes = f"{features} features in the query and {key.shape[-1]} in the key"
        expect(features == key.shape[-1], f"has {sizes}: {shown}")
        sizes = f"{tokens} tokens in the key and {value.shape[-2]} in the value"
        expect(tokens == value.shape[-2], f"has {sizes}: {shown}")
        for added in bias:
            expect(added.ndim > 1, f"needs a bias of two axes or more, [queries, keys], received {added}")
            weights = query.with_shape(*query.shape[:-1], tokens)
            expect(
                broadcast(weights, added) == weights,
                f"has a bias {added}, which does not broadcast to {weights}, a number for each query and key",
            )
        return query.with_shape(*query.shape[:-1], value.shape[-1])

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """Those of the two products of matrices."""
        query, key, *_ = inputs
        return (query.elements() + output.elements()) * nominal(key.shape[-2])

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """The call, without a scale where that is the usual one."""
        scaled = "" if self.scale is None else f", scale={self.scale!r}"
        return self.torch.format(xs=", ".join(variables), scaled=scaled)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All tokens, and all their features."""
        return {x.ndim - 2: WHOLE, x.ndim - 1: WHOLE}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Attention from opset 23 on, where there is one axis of heads; else MatMul, Softmax, MatMul."""
        query, key, value, *bias = x
        features = query.type.shape[-1]
        scale = self.scale if self.scale is not None else float(str(features)) ** -0.5
        if b.opset >= 23 and query.type.ndim == 4:
            return b.emit("Attention", [query, key, value, *bias], b.output, scale=scale)
        order = (*range(key.type.ndim - 2), key.type.ndim - 1, key.type.ndim - 2)
        turned = key.type.with_shape(*(key.type.shape[axis] for axis in order))
        weights = query.type.with_shape(*query.type.shape[:-1], key.type.shape[-2])
        scaled = b.emit("Mul", [query, b.constant("scale", scale)], query.type)
        y = b.emit("MatMul", [scaled, b.emit("Transpose", [key], turned, perm=order)], weights)
        for added in bias:
            y = b.emit("Add", [y, added], weights)
        return b.emit("MatMul", [b.emit("Softmax", [y], weights, axis=-1), value], b.output)
