"""Reads an ONNX file whose weights lie beside it, and nothing that lies elsewhere.

A file names its external data by paths, and whoever wrote it may have named any file of the machine. So every path is
looked at, and every offset and length, before anything is read through it.

Source: onnx/docs/ExternalData.md.
"""

from __future__ import annotations

import re
import stat
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from archc.diagnostics import ExportError
from archc.files import read_regular

if TYPE_CHECKING:
    import onnx
    from google.protobuf.message import Message

MOST_MESSAGE_BYTES = 1 << 31  # what protobuf takes
NUMBER = re.compile("[0-9]{1,19}")
# The messages in which tensors can be, and themselves.
HOLDERS = set(
    "GraphProto NodeProto AttributeProto FunctionProto TrainingInfoProto SparseTensorProto TensorProto".split()
)


def load_model(path: Path) -> onnx.ModelProto:
    """The whole message, with its weights.

    Raises: ExportError: it cannot be read, is no ONNX file, or names external data outside its folder or its files.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(read_regular(path, MOST_MESSAGE_BYTES))
        _check_values(path, model)
        _check_external_data(path, model)
        with warnings.catch_warnings():  # of keys that the format does not have, which onnx passes over
            warnings.simplefilter("ignore")
            onnx.load_external_data_for_model(model, str(path.parent))
    except OSError as error:
        raise ExportError(f"{path} cannot be read as an ONNX file: {error.strerror}", code="unreadable") from None
    except (DecodeError, RecursionError, RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise ExportError(f"{path} cannot be read as an ONNX file: {error}", code="unreadable") from None
    return model


def _check_values(path: Path, model: onnx.ModelProto) -> None:
    """Raise ExportError for values that protobuf takes and ONNX does not have: of types, sizes and texts."""
    import onnx

    types = set(onnx.TensorProto.DataType.values())
    for message in _messages(model):
        wrong = next(
            (f"the {field.name} {value!r}, which is not UTF-8" for field, value in _fields(message)
             for text in (value if isinstance(value, Sequence) and not isinstance(value, bytes) else [value])
             if field.type == field.TYPE_STRING and not isinstance(text, str)), None,
        )  # fmt: skip
        if isinstance(message, onnx.TensorProto):
            if message.data_type not in types:
                wrong = f"the data type {message.data_type}, which ONNX does not have"
            if any(size < 0 for size in message.dims):
                wrong = f"the shape {list(message.dims)}"
        elif isinstance(message, onnx.ValueInfoProto) and message.type.tensor_type.elem_type not in types:
            wrong = f"the data type {message.type.tensor_type.elem_type}, which ONNX does not have"
        if wrong:
            name = getattr(message, "name", "") or type(message).__name__
            raise ExportError(f"{path} cannot be read as an ONNX file: {name!r} has {wrong}", code="unreadable")


def _messages(message: Message) -> Iterator[Message]:
    """A message and every message in it."""
    from google.protobuf.message import Message

    yield message
    for field, value in _fields(message):
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from _messages(inner)


def _fields(message: Message) -> Sequence[tuple[Any, Any]]:
    """The fields of a message and their values; of a tensor not its numbers, of which protobuf would make a copy."""
    import onnx

    if isinstance(message, onnx.TensorProto):
        named = [field for field in message.DESCRIPTOR.fields if field.type != field.TYPE_BYTES]
        return [(field, getattr(message, field.name)) for field in named]
    return message.ListFields()


def _check_external_data(path: Path, model: onnx.ModelProto) -> None:
    """Raise ExportError unless all external data are bytes of ordinary files in the model's folder or below it."""
    sizes: dict[str, int] = {}
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL:
            fields = {entry.key: entry.value for entry in tensor.external_data}
            location = fields.get("location", "")
            if len(fields) < len(tensor.external_data):
                raise _refused(path, location, f"and of '{tensor.name}' a field twice")
            if location not in sizes:
                sizes[location] = _size(path, location)
            if why := _misplaced(fields, sizes[location]):
                raise _refused(path, location, f"and of '{tensor.name}' {why}")


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor of a message, sparse ones' parts too, however deep in attributes, subgraphs and functions."""
    import onnx
    from google.protobuf.message import Message

    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.name in HOLDERS:
            for inner in [value] if isinstance(value, Message) else value:
                if isinstance(inner, onnx.TensorProto):
                    yield inner
                else:
                    yield from _tensors(inner)


def _size(model: Path, location: str) -> int:
    """Bytes of the file at a location. Raises ExportError: not an ordinary file in the model's folder or below it."""
    parts = (*PurePosixPath(location).parts, *PureWindowsPath(location).parts)
    if not location or PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive or ".." in parts:
        raise _refused(model, location, "which is not below the file's own folder")
    if "\0" in location:
        raise _refused(model, location, "which is not a file's name")
    path = model.parent
    for part in PurePosixPath(location).parts:
        path = path / part
        if path.is_symlink():
            raise _refused(model, location, f"where {part} is a symbolic link")
    try:
        status = path.stat()
    except OSError as error:
        raise _refused(model, location, f"which cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise _refused(model, location, "which is not a file")
    if status.st_nlink > 1:
        raise _refused(model, location, "which has another name elsewhere (a hard link)")
    return status.st_size


def _misplaced(fields: dict[str, str], size: int) -> str | None:
    """What is wrong with the offset and the length of a tensor in a file of `size` bytes."""
    for key in ("offset", "length"):
        if not NUMBER.fullmatch(fields.get(key, "0")):
            return f"the {key} {fields[key]!r}, which is not a number of bytes"
    begin = int(fields.get("offset", "0"))
    end = begin + int(fields.get("length", "0"))
    return f"the bytes {begin} to {end}, but it has {size}" if end > size else None


def _refused(model: Path, location: str, why: str) -> ExportError:
    return ExportError(f"{model} has its weights in {location!r}, {why}", code="bad-external-data")
