"""Element types: the one list of them, and what each is called by NumPy, ONNX and safetensors."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

DType = Literal["float32", "int64"]
FLOAT32: DType = "float32"
INT64: DType = "int64"


class Element(NamedTuple):
    """Bytes of one element, and the type's name in ONNX and in safetensors; NumPy and torch have its own name."""

    bytes: int
    onnx: str
    safetensors: str


ELEMENTS: dict[DType, Element] = {
    FLOAT32: Element(4, "FLOAT", "F32"),
    INT64: Element(8, "INT64", "I64"),
}
assert set(ELEMENTS) == set(get_args(DType))
