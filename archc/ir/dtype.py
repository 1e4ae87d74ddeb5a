"""Element types: the one list of them, and what each is called elsewhere."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

DType = Literal["float32", "int64"]
FLOAT32: DType = "float32"
INT64: DType = "int64"


class Element(NamedTuple):
    """Bytes of one element, and the type's name in ONNX; NumPy and torch have its own name."""

    bytes: int
    onnx: str


ELEMENTS: dict[DType, Element] = {FLOAT32: Element(4, "FLOAT"), INT64: Element(8, "INT64")}
assert set(ELEMENTS) == set(get_args(DType))

STORED = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "U16": "<u2",
    "F16": "<f2",
    "BF16": "<u2",  # NumPy has no bfloat16
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
}
"""A safetensors file's name of a type → the type as NumPy reads it.

In the order of the library's enumeration, by which it sorts the tensors of a file (the last ones first).
"""

NARROW_FLOATS = ("bfloat16", "float8")
"""How the names of the short floating-point types begin that other packages give NumPy; weights may come in them."""
