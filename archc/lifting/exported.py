"""A program of torch.export -> its calls, with the modules that it was exported from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.fx.node import map_arg
from torch.nn import functional

from archc.lifting.aten import function_of
from archc.lifting.programs import BATCH, Reading, Ref, Step

if TYPE_CHECKING:
    from torch.export import ExportedProgram

aten = torch.ops.aten
NORM, NORM_WITH_STATISTICS = aten.batch_norm, aten._native_batch_norm_legit_no_training
SHAPED = (aten.view, aten.reshape, aten._unsafe_view, aten.expand)
TURNED = (aten.t, aten.permute, aten.transpose)
PRODUCTS = (aten.addmm, aten.mm)
IGNORED = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")
NOTE = (
    "the file holds what runs at inference alone: dropout and the like are not in it, and no training step was compared"
)


def read_exported(program: ExportedProgram) -> Reading:
    """Read the graph of a program. Raises NoWord: it calls what PyTorch's functions do not have."""
    return _Reader(program).reading


class _Reader:
    def __init__(self, program: ExportedProgram) -> None:
        self.reading = Reading(notes=[NOTE])
        self._program = program
        self._keys = self._tensors()
        self._batch = self._fixed_batch()
        self._turned: dict[str, str] = {}  # a transposed parameter → its key
        for node in program.graph.nodes:
            self._read(node)
        self.reading.inputs = [
            node.name for node in program.graph.nodes if node.op == "placeholder" and node.name not in self._keys
        ]

    def _tensors(self) -> dict[str, str]:
        """Placeholder → key, for parameters, buffers and constants."""
        signature = self._program.graph_signature
        parameters, buffers = signature.inputs_to_parameters, signature.inputs_to_buffers
        constants = signature.inputs_to_lifted_tensor_constants
        known = {**self._program.state_dict, **self._program.constants}
        keys = {**parameters, **buffers, **constants}
        self.reading.tensors = {
            key: known[key].detach() for key in keys.values() if not key.endswith("num_batches_tracked")
        }
        self.reading.parameters = set(parameters.values())
        return keys

    def _fixed_batch(self) -> int | None:
        """The batch's size, where the program takes no other."""
        node = next(
            node for node in self._program.graph.nodes if node.op == "placeholder" and node.name not in self._keys
        )
        size = node.meta["val"].shape[0]
        return size if isinstance(size, int) else None

    def _read(self, node: fx.Node) -> None:
        if node.op == "output":
            results = [each for each in node.args[0] if isinstance(each, fx.Node)]  # type: ignore[union-attr]
            names = ["output"] if len(results) == 1 else [f"output_{index}" for index in range(len(results))]
            self.reading.outputs = {name: each.name for name, each in zip(names, results, strict=True)}
        elif node.op == "call_function":
            self._call(node)

    def _call(self, node: fx.Node) -> None:
        target: Any = node.target
        packet = getattr(target, "overloadpacket", None)
        name = target._schema.name.partition("::")[2] if packet else ""
        if name in IGNORED:
            return
        scope = self._scope(node)
        if packet in (NORM, NORM_WITH_STATISTICS):
            self._norm(node, scope, alone=packet is NORM)
            return
        args, kwargs = self._refs(node.args), self._refs(node.kwargs)
        if packet in TURNED and isinstance(args[0], Ref) and args[0].name in self.reading.parameters:
            self._turned[node.name] = args[0].name
        function = function_of(name) if packet else target
        if packet in PRODUCTS and args[-1].name in self._turned:
            function, args = functional.linear, self._linear(args)
        if packet in SHAPED and self._batch is not None:
            args = (args[0], [Ref(BATCH) if i == 0 and size == self._batch else size for i, size in enumerate(args[1])])
        changed = (args[0].name,) if name.endswith("_") and isinstance(args[0], Ref) else ()
        self.reading.steps.append(Step(function, args, (node.name, *changed), scope, kwargs))

    def _linear(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        *bias, x, weight = args
        return (x, Ref(self._turned[weight.name]), *bias)

    def _norm(self, node: fx.Node, scope: str, *, alone: bool) -> None:
        """A batch norm is a module of PyTorch: its tensors belong together, and one of them only counts."""
        args: Any = node.args
        x, weight, bias, mean, variance = self._refs(args[:5])
        momentum, eps = args[6:8] if alone else args[5:7]
        path = mean.name.rpartition(".")[0]
        if path not in self.reading.modules:
            kind = {4: nn.BatchNorm2d, 5: nn.BatchNorm3d}.get(args[0].meta["val"].ndim, nn.BatchNorm1d)
            module = kind(self.reading.tensors[mean.name].numel(), eps, momentum, affine=weight is not None)
            named = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": variance}
            tensors = {key: self.reading.tensors[each.name] for key, each in named.items() if each is not None}
            counter = f"{path}.num_batches_tracked"
            if counter in self._program.state_dict:
                tensors["num_batches_tracked"] = self._program.state_dict[counter]
            module.load_state_dict(tensors, strict=False)
            self.reading.modules[path] = module
        own = scope == path or scope.startswith(f"{path}.")
        step = Step(path, (x,), (node.name,), path.rpartition(".")[0] if own else scope)
        self.reading.steps.append(step)
        if not alone:  # it gives statistics as well
            self.reading.steps.append(Step(lambda out: (out,), (Ref(str(node.name)),), (node.name,), step.scope))

    def _refs(self, arguments: Any) -> Any:
        """The same arguments, with names in place of nodes."""
        named: Any = lambda node: Ref(str(self._keys.get(node.name) or node.name))  # noqa: E731
        return map_arg(arguments, named)

    def _scope(self, node: fx.Node) -> str:
        """The path of the innermost module that makes the call, whose class is noted, and those of the ones around."""
        stack: Mapping[str, tuple[str, Any]] = node.meta.get("nn_module_stack") or {}
        paths = [(path.partition("@")[0], kind) for path, kind in stack.values()]
        for path, kind in paths:
            name = kind if isinstance(kind, str) else kind.__name__
            self.reading.classes[path] = name.rpartition(".")[2]
        return paths[-1][0] if paths else ""
