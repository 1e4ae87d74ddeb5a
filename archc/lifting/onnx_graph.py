"""An ONNX graph -> its calls, with modules as far as names tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from archc.lifting.modules import NoWord
from archc.lifting.onnx_names import class_names, common, is_lost, owner_of, stack_of
from archc.lifting.onnx_operators import function_for, padding, unrounded
from archc.lifting.programs import BATCH, Reading, Ref, Step

if TYPE_CHECKING:
    import onnx

REARRANGED = ("Identity", "Cast", "Unsqueeze", "Squeeze", "Concat", "Slice", "Reshape", "Transpose")
"""Operators that make nothing larger: with constants alone they are computed at once."""
SHAPED = ("Reshape", "Expand")
NOTE = (
    "the file holds what runs at inference alone: dropout and the like are not in it, nor how weights start,"
    " and no training step was compared"
)


def read_onnx(model: onnx.ModelProto) -> Reading:
    """Read a graph. Raises NoWord: a node does what archc cannot read."""
    return _Reader(model.graph).reading


class _Reader:
    def __init__(self, graph: onnx.GraphProto) -> None:
        from onnx import numpy_helper

        self.reading = Reading(notes=[NOTE])
        self._arrays = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in graph.initializer}
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(value.name for value in graph.output)
        self._owners: dict[str, str] = {}  # weight → path of its module
        self._scopes: list[str | None] = []
        self._folded = 0
        (first, *_) = [value for value in graph.input if value.name not in self._arrays]
        self._batch = first.type.tensor_type.shape.dim[0].dim_value
        for index, node in enumerate(graph.node):
            self._node(index, node)
        self.reading.inputs = [value.name for value in graph.input if value.name not in self._arrays]
        self.reading.outputs = {value.name: value.name for value in graph.output}
        self._finish()

    def _finish(self) -> None:
        """Give scopes to the calls whose names tell none, and classes to modules."""
        scopes = list(self._filled())
        self.reading.steps = [
            replace(step, scope=scope) for step, scope in zip(self.reading.steps, scopes, strict=True)
        ]
        named = class_names([*scopes, *self._owners.values()])
        self.reading.classes = {**named, **self.reading.classes}
        if self._folded:
            self.reading.notes.append(
                f"batch norms are folded into {self._folded} convolutions, and are not in the spec"
            )

    def _filled(self) -> Iterator[str]:
        """A call without a scope lies in the innermost module of what comes before and after it."""
        for index, scope in enumerate(self._scopes):
            if scope is not None:
                yield scope
                continue
            before = next((each for each in reversed(self._scopes[:index]) if each is not None), "")
            after = next((each for each in self._scopes[index:] if each is not None), "")
            yield common([before, after])

    def _node(self, index: int, node: onnx.NodeProto) -> None:
        from onnx import helper

        given = {each.name: unrounded(helper.get_attribute_value(each)) for each in node.attribute}
        if node.domain not in ("", "ai.onnx"):
            raise NoWord(f"{node.domain}.{node.op_type}, in node {node.name or index}")
        try:
            special = _SPECIAL.get(node.op_type)
            if special is None or not special(self, index, node, given):
                self._plain(node, given)
        except NoWord as error:
            raise NoWord(f"{error}, in node {node.name or index}") from None

    def _add(self, node: onnx.NodeProto, function: Any, *args: Any, owner: str | None = None, **kwargs: Any) -> None:
        stack = stack_of(node)
        for path, name in stack:
            if name:
                self.reading.classes[path] = name
        scope = stack[-1][0] if stack else owner.rpartition(".")[0] if owner is not None else None
        if owner is not None and scope == owner:
            scope = owner.rpartition(".")[0]
        self._scopes.append(scope)
        self.reading.steps.append(Step(function, args, (node.output[0],), "", kwargs))

    def _plain(self, node: onnx.NodeProto, given: dict[str, Any]) -> None:
        """A node without weights of its own."""
        if node.op_type == "Constant":
            self._constant(node, given)
            return
        function = function_for(node.op_type, {**given, "outputs": len(node.output)})
        if node.op_type in REARRANGED and all(name in self._arrays for name in node.input if name):
            known = [self._arrays.get(name) for name in node.input]
            self._arrays[node.output[0]] = torch.as_tensor(function(*known))
            return
        args = [self._argument(name) for name in node.input]
        if node.op_type in SHAPED and isinstance(args[1], list) and args[1][:1] == [self._batch]:
            args[1] = [Ref(BATCH), *args[1][1:]]  # a file for one batch alone, whose spec takes any
        self._add(node, function, *args)
        for place, name in enumerate(node.output if len(node.output) > 1 else []):
            self._scopes.append(self._scopes[-1])
            whole = Ref(f"{node.output[0]} whole")
            if place == 0:
                self.reading.steps[-1] = replace(self.reading.steps[-1], outputs=(whole.name,))
            self.reading.steps.append(Step(lambda parts, at: parts[at], (whole, place), (name,)))

    def _argument(self, name: str) -> Any:
        """A value, or numbers that are known: one number, a list of whole numbers, or a tensor with a key."""
        if not name:
            return None
        if name not in self._arrays:
            return Ref(name)
        array = self._arrays[name]
        if array.ndim == 0:
            return unrounded(array.item())
        if array.dtype == torch.int64 and array.ndim == 1:
            return array.tolist()
        if array.numel() <= 1 or (array.ndim == 1 and array.numel() <= 8 and self._uses[name] == 1 and is_lost(name)):
            return array.tolist() if array.ndim == 1 else array.item()
        return self._tensor(name)

    def _tensor(self, name: str) -> Ref:
        """A tensor that is no layer's: a parameter of the network under its own name."""
        key = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in name).strip("._")
        key = key if key and not key[0].isdigit() else f"tensor_{key}"
        self.reading.tensors[key] = self._arrays[name]
        if self._arrays[name].is_floating_point():
            self.reading.parameters.add(key)
        return Ref(key)

    def _constant(self, node: onnx.NodeProto, given: dict[str, Any]) -> None:
        from onnx import numpy_helper

        if "value" in given:
            self._arrays[node.output[0]] = torch.from_numpy(numpy_helper.to_array(given["value"]).copy())
        else:
            ((kind, value),) = given.items()
            self._arrays[node.output[0]] = torch.tensor(value, dtype=torch.int64 if "int" in kind else torch.float32)

    def _own(self, index: int, node: onnx.NodeProto, place: int = 1) -> str:
        """The path of the module that owns a weight; a new weight gets one that no other has."""
        name = node.input[place]
        if name not in self._owners:
            path = base = owner_of(name, node, f"{node.op_type.lower()}_{index}")
            number = 1
            while path in self._owners.values():
                number += 1
                path = f"{base}_{number}"
            self._owners[name] = path
        return self._owners[name]

    def _give(self, path: str, name: str, tensor: torch.Tensor) -> Ref:
        key = f"{path}.{name}"
        self.reading.tensors[key] = tensor.contiguous()
        self.reading.parameters.add(key)
        return Ref(key)

    def _is_weight(self, node: onnx.NodeProto, *places: int) -> bool:
        return all(len(node.input) <= at or not node.input[at] or node.input[at] in self._arrays for at in places)

    def _bias(self, path: str, node: onnx.NodeProto, place: int = 2) -> Ref | None:
        has = len(node.input) > place and node.input[place]
        return self._give(path, "bias", self._arrays[node.input[place]].flatten()) if has else None

    def _convolution(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        if not self._is_weight(node, 1, 2):
            return False
        path, array = self._own(index, node), self._arrays[node.input[1]]
        ndim = array.ndim - 2
        even, before = padding(given, ndim)
        weight = self._give(path, "weight", array)
        bias = self._bias(path, node)
        self._folded += bias is not None and is_lost(node.input[1])
        strides, dilations = (list(given.get(name) or [1] * ndim) for name in ("strides", "dilations"))
        x, groups = Ref(node.input[0]), given.get("group", 1)
        if before:
            padded = f"{node.output[0]} padded"
            self._scopes.append(None)
            self.reading.steps.append(Step(functional.pad, (x, before), (padded,)))
            x = Ref(padded)
        if node.op_type == "ConvTranspose":
            extra = list(given.get("output_padding") or [0] * ndim)
            function = getattr(functional, f"conv_transpose{ndim}d")
            self._add(node, function, x, weight, bias, strides, even, extra, groups, dilations, owner=path)
        else:
            self._add(
                node, getattr(functional, f"conv{ndim}d"), x, weight, bias, strides, even, dilations, groups, owner=path
            )
        return True

    def _norm(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        if not self._is_weight(node, 1, 2, 3, 4):
            return False
        path = self._own(index, node)
        names = ("weight", "bias", "running_mean", "running_var")
        tensors = {name: self._arrays[each] for name, each in zip(names, node.input[1:5], strict=True)}
        momentum = round(1 - given.get("momentum", 0.9), 6)
        module = _AnyNorm(tensors["weight"].numel(), given.get("epsilon", 1e-5), momentum)
        module.load_state_dict(tensors, strict=False)
        self.reading.modules[path] = module
        for name, tensor in tensors.items():
            self._give(path, name, tensor)
        self._add(node, path, Ref(node.input[0]), owner=path)
        return True

    def _gemm(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        plain = given.get("alpha", 1.0) == given.get("beta", 1.0) == 1.0 and not given.get("transA")
        if not plain or not self._is_weight(node, 1, 2):
            raise NoWord("Gemm other than a linear map")
        path, array = self._own(index, node), self._arrays[node.input[1]]
        weight = self._give(path, "weight", array if given.get("transB") else array.T)
        self._add(node, functional.linear, Ref(node.input[0]), weight, self._bias(path, node), owner=path)
        return True

    def _matmul(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        """A linear map without a bias, which an addition after it may be."""
        if node.input[1] not in self._arrays or self._arrays[node.input[1]].ndim != 2:
            return False
        path = self._own(index, node)
        weight = self._give(path, "weight", self._arrays[node.input[1]].T)
        self._add(node, functional.linear, Ref(node.input[0]), weight, owner=path)
        return True

    def _addition(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        """The bias of a linear map, if it is one."""
        last = self.reading.steps[-1] if self.reading.steps else None
        if last is None or last.function is not functional.linear or len(last.args) != 2:
            return False
        value = last.outputs[0]
        others = [name for name in node.input if name != value]
        if self._uses[value] != 1 or len(others) != 1 or others[0] not in self._arrays:
            return False
        path = last.args[1].name.rpartition(".")[0]
        if self._arrays[others[0]].shape != self.reading.tensors[f"{path}.weight"].shape[:1]:
            return False
        bias = self._give(path, "bias", self._arrays[others[0]])
        self.reading.steps[-1] = replace(last, args=(*last.args, bias), outputs=(node.output[0],))
        return True

    def _layer_norm(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        if not self._is_weight(node, 1, 2):
            return False
        path, array = self._own(index, node), self._arrays[node.input[1]]
        weight, bias = self._give(path, "weight", array), self._bias(path, node)
        eps = given.get("epsilon", 1e-5)
        self._add(node, functional.layer_norm, Ref(node.input[0]), list(array.shape), weight, bias, eps, owner=path)
        return True


class _AnyNorm(nn.BatchNorm2d):
    """A batch norm over any number of axes of space."""

    def _check_input_dim(self, input: torch.Tensor) -> None:
        pass


_AnyNorm.__name__ = nn.BatchNorm2d.__name__

_Special = Callable[[_Reader, int, Any, dict[str, Any]], bool]
_SPECIAL: dict[str, _Special] = {
    "Conv": _Reader._convolution,
    "ConvTranspose": _Reader._convolution,
    "BatchNormalization": _Reader._norm,
    "Gemm": _Reader._gemm,
    "MatMul": _Reader._matmul,
    "Add": _Reader._addition,
    "LayerNormalization": _Reader._layer_norm,
}
"""Operators that own tensors → what reads them; False where a node has none."""
