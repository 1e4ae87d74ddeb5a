"""Writes an ONNX file in pieces, so that memory holds one tensor at a time.

A protobuf message is its fields in the order of their numbers, each a tag, for nested messages and bytes a
length, and the content. Everything but the tensors' data is small and serialised by protobuf itself; the
lengths around the data follow from the shapes. The result is byte for byte what `SerializeToString` gives for
the whole message.

Source: protobuf.dev, "Encoding"; onnx/onnx.proto; onnx/docs/ExternalData.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from archc.diagnostics import ExportError
from archc.ir.dtype import ELEMENTS

if TYPE_CHECKING:
    import onnx
    from google.protobuf.message import Message

    from archc.weights import Weights

    from .builder import OnnxInitializer

MessageT = TypeVar("MessageT", bound="Message")

LIMIT_BYTES = 2**31 - 1
"""What protobuf's parsers accept in one message."""

ALIGNMENT_BYTES = 4096
"""Where tensors of external data begin: at a page, so that they can be mapped into memory."""

EXTERNAL_BYTES = 1024
"""Tensors smaller than this stay in the model, as onnx's own writer has it: shape inference reads them."""

_GRAPH, _INITIALIZER, _RAW_DATA = (
    7,
    5,
    9,
)  # field numbers of ModelProto.graph, GraphProto.initializer, TensorProto.raw_data


def write_model(
    model: onnx.ModelProto,
    initializers: Sequence[OnnxInitializer],
    weights: Weights,
    file: BinaryIO,
    external: str | None = None,
) -> None:
    """Write `model`, which has no initializers, with these initializers in this order.

    `external` names a file beside the model, which `write_external_data` wrote for the same initializers.
    Raises: ExportError: the file would exceed protobuf's 2 GiB; nothing has been written.
    """
    assert not model.graph.initializer, "the initializers are given separately"
    offsets = external_offsets(initializers) if external else {}
    headers = [_header(initializer, offsets.get(initializer.name), external) for initializer in initializers]
    inside = [initializer.name not in offsets for initializer in initializers]
    data = [_data_bytes(initializer) if stays else 0 for initializer, stays in zip(initializers, inside, strict=True)]
    tensors = [_field(_INITIALIZER, len(header) + size) + header for header, size in zip(headers, data, strict=True)]
    graph_start, graph_end = _around(model.graph, _INITIALIZER)
    model_start, model_end = _around(model, _GRAPH)
    graph_bytes = len(graph_start) + sum(map(len, tensors)) + sum(data) + len(graph_end)
    start = model_start + _field(_GRAPH, graph_bytes) + graph_start
    _check_size(len(start) + graph_bytes - len(graph_start) + len(model_end))

    file.write(start)
    for initializer, tensor, stays in zip(initializers, tensors, inside, strict=True):
        file.write(tensor)
        if stays:
            file.write(_data(initializer, weights))
    file.write(graph_end)
    file.write(model_end)


def data_bytes(initializers: Sequence[OnnxInitializer]) -> int:
    """Size of all tensors together."""
    return sum(map(_data_bytes, initializers))


def external_offsets(initializers: Sequence[OnnxInitializer]) -> dict[str, int]:
    """Where each tensor that leaves the model begins in the file of external data."""
    offsets: dict[str, int] = {}
    end = 0
    for initializer in initializers:
        if _data_bytes(initializer) >= EXTERNAL_BYTES:
            offsets[initializer.name] = -(-end // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
            end = offsets[initializer.name] + _data_bytes(initializer)
    return offsets


def write_external_data(initializers: Sequence[OnnxInitializer], weights: Weights, file: BinaryIO) -> None:
    """Write the data of the tensors that leave the model.

    Do so before `write_model` if the name of this file is to depend on its content.
    """
    offsets = external_offsets(initializers)
    end = 0
    for initializer in initializers:
        if (offset := offsets.get(initializer.name)) is not None:
            file.write(bytes(offset - end))
            file.write(_data(initializer, weights))
            end = offset + _data_bytes(initializer)


def _header(initializer: OnnxInitializer, offset: int | None, external: str | None) -> bytes:
    """A TensorProto up to its data, or with a reference to it."""
    from onnx import TensorProto

    element = TensorProto.DataType.Value(ELEMENTS[initializer.dtype].onnx)
    tensor = TensorProto(dims=initializer.shape, data_type=element, name=initializer.name)
    size = _data_bytes(initializer)
    if offset is None:
        return _serialize(tensor) + _field(_RAW_DATA, size)
    for key, value in {"location": external, "offset": offset, "length": size}.items():
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = TensorProto.EXTERNAL
    return _serialize(tensor)


def _data(initializer: OnnxInitializer, weights: Weights) -> memoryview:
    """The tensor's values as bytes, little-endian as ONNX wants them."""
    import numpy as np

    values = initializer.values(weights)
    declared, found = (initializer.dtype, initializer.shape), (values.dtype.name, values.shape)
    assert declared == found, f"{initializer.name} is declared as {declared}, and its values are {found}"
    little_endian = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little_endian).reshape(-1).view(np.uint8).data


def _data_bytes(initializer: OnnxInitializer) -> int:
    return prod(initializer.shape) * ELEMENTS[initializer.dtype].bytes


def _around(message: Message, field: int) -> tuple[bytes, bytes]:
    """A message's bytes before and after one of its fields."""
    numbers = {descriptor.name: descriptor.number for descriptor, _ in message.ListFields()}
    before = without(message, *(name for name, number in numbers.items() if number >= field))
    after = without(message, *(name for name, number in numbers.items() if number <= field))
    return _serialize(before), _serialize(after)


def without(message: MessageT, *fields: str) -> MessageT:
    """A copy of a message without some of its fields, which are not even copied: they may be large."""
    copy = type(message)()
    for descriptor, value in message.ListFields():
        if descriptor.name in fields:
            continue
        if descriptor.is_repeated:
            getattr(copy, descriptor.name).extend(value)
        elif descriptor.message_type:
            getattr(copy, descriptor.name).CopyFrom(value)
        else:
            setattr(copy, descriptor.name, value)
    return copy


def _serialize(message: Message) -> bytes:
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


def _field(number: int, length: int) -> bytes:
    """The tag and length before a nested message or bytes (wire type 2)."""
    return _varint(number << 3 | 2) + _varint(length)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the least significant first; the top bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _check_size(size: int) -> None:
    if size > LIMIT_BYTES:
        raise ExportError(
            f"the ONNX file would have {size:,} bytes, and protobuf's limit is {LIMIT_BYTES:,}",
            code="too-large",
            help="store the weights beside it, as external data",
        )
