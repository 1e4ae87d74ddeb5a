"""Opens a file of weights, whatever its format."""

from __future__ import annotations

import os
from pathlib import Path

from archc.files import open_regular
from archc.weights.checkpoint import ZIP_MAGIC, Checkpoint
from archc.weights.errors import unreadable
from archc.weights.lazy import LazyWeights
from archc.weights.safetensors_file import SafetensorsFile
from archc.weights.safetensors_header import MAX_HEADER_BYTES

PICKLE_MAGIC = b"\x80"
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
REMEDIES = {
    "it is a directory": "give the file itself, such as model.safetensors",
    "it is a pipe": "write what it gives into a file first",
}


def open_weights(path: str | os.PathLike[str]) -> LazyWeights:
    """The tensors of a safetensors file or of a PyTorch checkpoint, told apart by what is in them.

    Raises: BuildError: there is no such file, it is a directory, a pipe or a device, or it is neither.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            start = file.read(9)
    except OSError as error:
        reason = error.strerror or str(error)
        raise unreadable(str(path), reason, REMEDIES.get(reason)) from error
    if _begins_safetensors(start) or path.suffix == ".safetensors":
        return SafetensorsFile(path)
    if start.startswith((ZIP_MAGIC, PICKLE_MAGIC)) or path.suffix in CHECKPOINT_SUFFIXES:
        return Checkpoint(path)
    raise unreadable(str(path), "it is neither a safetensors file nor a PyTorch checkpoint (.pt, .pth)")


def _begins_safetensors(start: bytes) -> bool:
    return int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES and start[8:] == b"{"
