"""Makes the layers of a network: the first of each kind by its constructor, the others as copies of it.

torch.nn's constructors draw initial values, on the meta device too, which is most of what a module costs to build.
"""

from __future__ import annotations

from torch import nn

from archc.ir.graph import Node
from archc.ir.operator import Operator
from archc.ir.types import TensorType
from archc.nn.lowering import MODULES

_KINDS = 1024
_prototypes: dict[tuple[Operator, tuple[TensorType, ...]], nn.Module] = {}


def new_layer(node: Node) -> nn.Module:
    """The node's layer, whose tensors have no values yet and are to be replaced: copies share them.

    A layer follows from the operator and the types of its inputs.
    """
    kind = node.operator, tuple([value.type for value in node.inputs])
    if kind not in _prototypes:
        if len(_prototypes) == _KINDS:
            _prototypes.clear()
        _prototypes[kind] = MODULES[node.operator.word](node.operator, node)
    return _copy(_prototypes[kind])


def _copy(module: nn.Module) -> nn.Module:
    """A module with containers of its own for its tensors and hooks."""
    copied = type(module).__new__(type(module))
    for name, value in vars(module).items():
        vars(copied)[name] = value.copy() if isinstance(value, dict | set) else value
    return copied
