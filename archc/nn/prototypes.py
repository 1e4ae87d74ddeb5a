"""Makes the layers of a network: the first of each kind by its constructor, the others as copies of it.

torch.nn's constructors draw initial values, on the meta device too, which is most of what a module costs to build.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from types import ModuleType

import torch
from torch import nn

from archc.ir.graph import Node
from archc.ir.operator import Operator
from archc.ir.types import TensorType
from archc.nn import layers

# Parameters get their values from archc's own initialisers or from a file, so modules are made without memory.
META = "meta"
_KINDS = 1024
_PACKAGES: dict[str, ModuleType] = {"nn": nn, "layers": layers}
_prototypes: dict[tuple[Operator, tuple[TensorType, ...]], nn.Module] = {}


def new_layer(node: Node) -> nn.Module:
    """The node's layer, whose tensors have no values yet and are to be replaced: copies share them.

    A layer follows from the node's kind.
    """
    return _copy(prototype(*node.kind))


def prototype(operator: Operator, inputs: tuple[TensorType, ...]) -> nn.Module:
    """The layer of an operator on inputs of these types. It is shared: not to be changed."""
    kind = operator, inputs
    if kind not in _prototypes:
        if len(_prototypes) == _KINDS:
            _prototypes.clear()
        _prototypes[kind] = _constructed(*kind)
    return _prototypes[kind]


def computed(operator: Operator) -> torch.Tensor:
    """What a source computes, as a tensor of its own."""
    return _computed(operator).clone()  # pyright: ignore[reportArgumentType]  # it is frozen, and so has a hash


@lru_cache(_KINDS)
def _computed(operator: Operator) -> torch.Tensor:
    found = operator.computed()
    assert found is not None, f"{operator.word} gives nothing without a tensor"
    return torch.tensor(found.values, dtype=getattr(torch, found.dtype)).reshape(found.shape)


def _constructed(operator: Operator, inputs: tuple[TensorType, ...]) -> nn.Module:
    """The module that the operator's text constructs.

    Its class is found by name; what is evaluated are the arguments, which are written by `repr` of checked values.
    """
    path, _, arguments = operator.torch_source(inputs).partition("(")
    package, _, name = path.rpartition(".")
    constructor = getattr(_PACKAGES.get(package) or import_module(package), name)
    with torch.device(META):
        module: nn.Module = eval(f"constructor({arguments}", {"constructor": constructor})
    return module


def _copy(module: nn.Module) -> nn.Module:
    """A module with containers of its own for its tensors and hooks."""
    copied = type(module).__new__(type(module))
    for name, value in vars(module).items():
        vars(copied)[name] = value.copy() if isinstance(value, dict | set) else value
    return copied
