"""Functions and methods of PyTorch -> operators of the language.

Those with the name of an operator are in named.py, those that several operators say in compositions.py; all are put
together here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from archc.ir.operator import Operator
from archc.lifting import axes as ax
from archc.lifting.compositions import COMPOSED
from archc.lifting.contraction import einsum
from archc.lifting.filters import batch_norm, convolution
from archc.lifting.indexing import index, narrow, select, split, unbind
from archc.lifting.margins import max_pool2d, pad
from archc.lifting.modules import NoWord
from archc.lifting.moving import (
    attention,
    matmul,
    permute,
    reshape,
    roll,
    swap_last,
    transpose,
    unsqueeze,
)
from archc.lifting.named import ARGUMENTS, Handler, bound, named
from archc.lifting.values import Values
from archc.operators import operator_model, operator_words
from archc.operators.arithmetic import Add, Mul, Sqrt, Square
from archc.operators.join import Concat, Product, Quotient, Sum
from archc.operators.linear import Linear

SAME = ("contiguous", "clone", "detach", "to", "float", "type_as", "requires_grad", "alias", "positive")
"""Methods that give the same values."""


def _pairwise(
    model: type[Operator], scalar: type[Operator] | None, invert: Callable[[float], float] | None = None
) -> Handler:
    """`x + y`, `x * 2`."""

    def handle(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        if kwargs.get("alpha", 1) != 1 or kwargs.get("rounding_mode") or len(args) != 2:
            return False
        x, y = args
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
            if y.ndim == 0 and not tracer.knows(y) and not isinstance(y, torch.nn.Parameter):
                y = float(y)
            else:
                return _joined(tracer, model, x, y, out)
        if isinstance(y, torch.Tensor) and scalar is not None and invert is None:
            x, y = y, x
        if not isinstance(x, torch.Tensor) or not isinstance(y, int | float) or scalar is None:
            return False
        value = float(invert(y) if invert else y)
        tracer.apply(scalar.model_validate({"other": value}), x, out)
        return True

    return handle


def _joined(tracer: Values, model: type[Operator], x: torch.Tensor, y: torch.Tensor, out: torch.Tensor) -> bool:
    views = [tracer.view(each) for each in (x, y)]
    if not any(ax.merges_batch(view.axes) for view in views):
        tracer.give(model(), [tracer.value(x), tracer.value(y)], out)
        return True
    like = x if ax.merges_batch(views[0].axes) else y
    other = y if like is x else x
    if ax.merges_batch(tracer.view(other).axes) and tracer.view(other).axes[:-1] != tracer.view(like).axes[:-1]:
        raise NoWord("a size that is a product with the batch")
    tracer.give_like(model(), [tracer.unmerged(x), tracer.unmerged(y)], like, out)
    return True


def _subtract(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    x, y = args
    if isinstance(y, int | float) and isinstance(x, torch.Tensor):
        tracer.apply(Add(other=-float(y)), x, out)
        return True
    if isinstance(y, torch.Tensor):
        minus = torch.empty_like(y, device="meta")
        tracer.apply(Mul(other=-1.0), y, minus)
        if isinstance(x, torch.Tensor):
            return _joined(tracer, Sum, x, minus, out)
        tracer.apply(Add(other=float(x)), minus, out)
        return True
    return False


def _reverse_subtract(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    return _subtract(tracer, (args[1], args[0]), kwargs, out)


def _negative(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    tracer.apply(Mul(other=-1.0), args[0], out)
    return True


def _power(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    powers: dict[float, type[Operator]] = {2: Square, 0.5: Sqrt}
    if args[1] not in powers:
        return False
    tracer.apply(powers[args[1]](), args[0], out)
    return True


def _concat(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    tensors = args[0] if args else kwargs["tensors"]
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.ndim
    tensors = [each for each in tensors if each.numel()]
    if len(tensors) == 1:
        tracer.alias(out, tensors[0])
        return True
    tracer.give(Concat(dim=dim), [tracer.value(each) for each in tensors], out)
    return True


def _linear(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A linear map; a bias that is computed is added."""
    given = bound(Linear.word, args, kwargs)
    bias = given.get("bias")
    if bias is None or tracer.keys_of({"bias": bias}) is not None:
        return named(Linear.word)(tracer, args, kwargs, out)
    product = torch.empty_like(out, device="meta")
    named(Linear.word)(tracer, (given["input"], given["weight"]), {}, product)
    return _joined(tracer, Sum, product, bias, out)


def _zero(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """`x[a:b].zero_()` of a vector: it is multiplied by ones and zeros from here on."""
    return tracer.zero(args[0])


FUNCTIONS: dict[str, Handler] = {
    **{
        name: named(name)
        for name in operator_words()
        if hasattr(functional, name) or name in ARGUMENTS or hasattr(torch.Tensor, name)
    },
    "clip": named("clamp"),
}
FUNCTIONS |= {
    "add": _pairwise(Sum, Add), "iadd": _pairwise(Sum, Add), "radd": _pairwise(Sum, Add),
    "mul": _pairwise(Product, Mul), "imul": _pairwise(Product, Mul), "rmul": _pairwise(Product, Mul),
    "multiply": _pairwise(Product, Mul),
    "div": _pairwise(Quotient, Mul, lambda y: 1 / y), "truediv": _pairwise(Quotient, Mul, lambda y: 1 / y),
    "itruediv": _pairwise(Quotient, Mul, lambda y: 1 / y),
    "sub": _subtract, "isub": _subtract, "rsub": _reverse_subtract, "neg": _negative, "pow": _power,
    "cat": _concat, "concat": _concat, "chunk": split, "split": split, "unbind": unbind, "tensor_split": split,
    "getitem": index, "narrow": narrow, "select": select, "roll": roll,
    "view": reshape, "reshape": reshape, "flatten": reshape, "unflatten": reshape, "squeeze": reshape,
    "permute": permute, "transpose": transpose, "swapaxes": transpose, "unsqueeze": unsqueeze,
    "T": swap_last, "mT": swap_last,
    "matmul": matmul, "bmm": matmul, "scaled_dot_product_attention": attention,
    "einsum": einsum, "pad": pad, "linear": _linear, "zero": _zero, **COMPOSED,
    "batch_norm": batch_norm,
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices", "boolean_dispatch"), max_pool2d),
    **{word: convolution(word) for word in ("conv1d", "conv2d", "conv3d")},
}  # fmt: skip
FUNCTIONS.pop("parameter", None)

NORMS = tuple(word for word in operator_words() if hasattr(functional, word) and operator_model(word).normalizes)
"""Functions that give what they are given in shape. On meta tensors they take as long as a hundred others."""

MOVES = tuple(name for name, handler in FUNCTIONS.items() if handler in (reshape, permute, transpose, unsqueeze))
"""Functions that move the axes of a tensor."""
