"""Reads an ONNX file whose weights lie beside it, and nothing that lies elsewhere.

A file names its external data by paths, and whoever wrote it may have named any file of the machine. So every path is
looked at before anything is read through it.

Source: onnx/docs/ExternalData.md.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from archc.diagnostics import ExportError

if TYPE_CHECKING:
    import onnx


def load_model(path: Path) -> onnx.ModelProto:
    """The whole message, with its weights.

    Raises: ExportError: it cannot be read, is no ONNX file, or names external data outside its folder.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
        for location in sorted(set(_locations(model))):
            _check_location(path, location)
        onnx.load_external_data_for_model(model, str(path.parent))
    except (DecodeError, OSError, onnx.checker.ValidationError) as error:
        raise ExportError(f"{path} cannot be read as an ONNX file: {error}", code="unreadable") from None
    return model


def _locations(model: onnx.ModelProto) -> Iterator[str]:
    """The files that a model's tensors lie in."""
    tensors = [*model.graph.initializer, *_attribute_tensors(model.graph)]
    for function in model.functions:
        tensors += _attribute_tensors(function)
    for tensor in tensors:
        if tensor.data_location == tensor.EXTERNAL:
            yield next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _attribute_tensors(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from (*inner.initializer, *_attribute_tensors(inner))


def _check_location(model: Path, location: str) -> None:
    """Raise ExportError unless a location is an ordinary file in the model's folder or below it."""
    parts = (*PurePosixPath(location).parts, *PureWindowsPath(location).parts)
    if not location or PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive or ".." in parts:
        raise _refused(model, location, "which is not below the file's own folder")
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


def _refused(model: Path, location: str, why: str) -> ExportError:
    return ExportError(f"{model} has its weights in '{location}', {why}", code="bad-external-data")
