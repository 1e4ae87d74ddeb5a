"""Compares the `state_dict` of a module with the keys of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from archc.compare.drawing import is_computed
from archc.compare.places import module_place, spec_place
from archc.compare.report import ORDER, Difference
from archc.diagnostics import UsageError, nearest
from archc.ir.graph import Graph, Parameter

KEYS, PARAMETERS, CONSTANTS = "keys", "parameters", "constants"


def key_differences(graph: Graph, module: nn.Module) -> list[Difference]:
    """Keys that one side lacks, and shapes that differ."""
    own, theirs = _own(graph), _state(module)
    found = [_missing(graph, key, theirs) for key in own if key not in theirs]
    found += [_unexpected(module, key, own) for key in theirs if key not in own]
    for key, parameter in own.items():
        if key in theirs and tuple(theirs[key].shape) != parameter.shape:
            message = f"{key} is {list(parameter.shape)} in the spec, and {list(theirs[key].shape)} in the module"
            found.append(_at(KEYS, message, graph, module, key))
    return found


def order_differences(graph: Graph, module: nn.Module) -> list[Difference]:
    """The first key that stands elsewhere."""
    pairs = zip(_own(graph), _state(module), strict=True)
    first = next(((own, their) for own, their in pairs if own != their), None)
    if first is None:
        return []
    message = (
        f"the keys are the same in another order: {first[0]} comes first in the spec, {first[1]} in the module; "
        "this matters where tensors are stored by position, as in an optimizer's state"
    )
    return [_at(ORDER, message, graph, module, first[0], first[1])]


def parameter_differences(graph: Graph, module: nn.Module) -> list[Difference]:
    """Tensors that an optimiser updates on one side only, of another type, or that are one tensor on one side only."""
    trained, state = dict(module.named_parameters(remove_duplicate=False)), _state(module)
    told = {key: list(_roles(parameter, state[key], trained.get(key))) for key, parameter in _own(graph).items()}
    for key, first in _tied(state).items():
        told[key].append(f"is the same tensor as {first} in the module, and one of its own in the spec")
    return [
        _at(PARAMETERS, f"{key} {message}", graph, module, key)
        for key, messages in told.items()
        for message in messages
    ]


def constant_differences(graph: Graph, module: nn.Module) -> list[Difference]:
    """Buffers whose values follow from the spec, and are others in the module."""
    state = _state(module)
    found = []
    for key, parameter in _own(graph).items():
        if is_computed(parameter):
            own = torch.tensor(parameter.initializer.values).reshape(parameter.shape)  # type: ignore[attr-defined]
            their = state[key].cpu().to(own.dtype)
            if not torch.allclose(own, their, rtol=2**-22, atol=2**-22):
                count = int((own != their).sum())
                found.append(
                    _at(
                        CONSTANTS, f"{key} has other values in the module: {count} of {own.numel()}", graph, module, key
                    )
                )
    return found


def _roles(parameter: Parameter, tensor: torch.Tensor, trained: nn.Parameter | None) -> Iterator[str]:
    roles = ("parameter", "buffer")
    if parameter.buffer is (trained is not None):
        own, their = roles[parameter.buffer], roles[trained is None]
        yield f"is a {own} in the spec, and a {their} in the module"
    elif trained is not None and not trained.requires_grad:
        yield "is trained in the spec, and frozen in the module (requires_grad is False)"
    if str(tensor.dtype) != f"torch.{parameter.dtype}":
        yield f"is of type {parameter.dtype} in the spec, and {str(tensor.dtype).removeprefix('torch.')} in the module"


def _tied(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """The keys of tensors that an earlier key has as well, with that key."""
    first: dict[int, str] = {}
    owners = {key: first.setdefault(tensor.data_ptr(), key) for key, tensor in state.items() if tensor.numel()}
    return {key: owner for key, owner in owners.items() if owner != key}


def _missing(graph: Graph, key: str, theirs: Mapping[str, object]) -> Difference:
    near = nearest(key, theirs)
    message = f"the module has no {key}{f', but {near}' if near else ''}"
    return Difference(KEYS, message, key.rpartition(".")[0], spec_place(graph, key))


def _unexpected(module: nn.Module, key: str, own: Mapping[str, object]) -> Difference:
    path = key.rpartition(".")[0]
    return Difference(KEYS, f"the spec has no {key}", path, None, module_place(module, path))


def _at(check: str, message: str, graph: Graph, module: nn.Module, key: str, their_key: str = "") -> Difference:
    path = key.rpartition(".")[0]
    their_path = (their_key or key).rpartition(".")[0]
    return Difference(check, message, path, spec_place(graph, key), module_place(module, their_path))


def _own(graph: Graph) -> dict[str, Parameter]:
    return {parameter.path: parameter for parameter in graph.parameters()}


def _state(module: nn.Module) -> dict[str, torch.Tensor]:
    state = module.state_dict()
    for key, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise UsageError(f"the module's state_dict has {key}, which is no tensor", code="bad-python")
        if is_lazy(tensor):
            help = "run the module once before it is compared"
            raise UsageError(f"the module's {key} has no shape yet: it is lazy", code="bad-python", help=help)
    return dict(state)
