"""What an operator writes ONNX with: the builder that its `onnx` method is handed, seen from here without onnx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from archc.ir.dtype import FLOAT32, DType
from archc.ir.types import Dim, TensorType


class OnnxTensor(NamedTuple):
    """A tensor of the ONNX graph: its name there, and its type."""

    name: str
    type: TensorType


class NoLowering(Exception):
    """An operator cannot be written as ONNX."""


class Emitter(Protocol):
    """Appends ONNX nodes and constants for one operator; what it returns is the input of further nodes.

    `output` is the type of the operator's only output. An attribute that is None is left out.
    """

    opset: int

    @property
    def output(self) -> TensorType:
        """The type of the operator's output."""
        ...

    def emit(self, op_type: str, inputs: Sequence[OnnxTensor], type: TensorType, **attributes: Any) -> OnnxTensor:
        """Append a node with one output of this type."""
        ...

    def emit_several(
        self, op_type: str, inputs: Sequence[OnnxTensor], types: Sequence[TensorType], **attributes: Any
    ) -> tuple[OnnxTensor, ...]:
        """Append a node with an output of each of these types."""
        ...

    def constant(self, label: str, values: Any, dtype: DType = FLOAT32) -> OnnxTensor:
        """A tensor that depends on no weights, such as the axes of a reduction; `label` is the end of its name."""
        ...

    def ones(self, shape: OnnxTensor, size: Dim) -> OnnxTensor:
        """A vector of `size` ones that takes no room in the file; `shape` holds the size at run time."""
        ...

    def own(self, *names: str) -> list[OnnxTensor]:
        """Those of the operator's own tensors with these names that the node has, in this order."""
        ...

    def per_channel(self, name: str) -> OnnxTensor:
        """The operator's own vector as [C, 1, …], which broadcasts along all axes after the channels of its output."""
        ...

    def transposed(self, name: str) -> OnnxTensor:
        """The operator's own matrix, transposed."""
        ...
