"""Opens a file of weights, whatever its format."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from archc.weights.checkpoint import ZIP_MAGIC, Checkpoint
from archc.weights.errors import unreadable
from archc.weights.lazy import LazyWeights
from archc.weights.safetensors_file import SafetensorsFile
from archc.weights.safetensors_header import MAX_HEADER_BYTES

PICKLE_MAGIC = b"\x80"
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
# What is not a file, and how to mend it. Opening a pipe or a device could wait for ever.
OTHERS = (
    (stat.S_ISDIR, "a directory", "give the file itself, such as model.safetensors"),
    (stat.S_ISFIFO, "a pipe", "write what it gives into a file first"),
    (stat.S_ISSOCK, "a socket", None),
    (lambda mode: not stat.S_ISREG(mode), "a device", None),
)


def open_weights(path: str | os.PathLike[str]) -> LazyWeights:
    """The tensors of a safetensors file or of a PyTorch checkpoint, told apart by what is in them.

    Raises: BuildError: there is no such file, it is a directory, a pipe or a device, or it is neither.
    """
    path = Path(path)
    try:
        _check_regular(path)
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise unreadable(str(path), error.strerror or str(error)) from error
    if _begins_safetensors(start) or path.suffix == ".safetensors":
        return SafetensorsFile(path)
    if start.startswith((ZIP_MAGIC, PICKLE_MAGIC)) or path.suffix in CHECKPOINT_SUFFIXES:
        return Checkpoint(path)
    raise unreadable(str(path), "it is neither a safetensors file nor a PyTorch checkpoint (.pt, .pth)")


def _check_regular(path: Path) -> None:
    """Raise BuildError for what is not a regular file; OSError."""
    mode = path.stat().st_mode
    for is_one, name, remedy in OTHERS:
        if is_one(mode):
            raise unreadable(str(path), f"it is {name}", remedy)


def _begins_safetensors(start: bytes) -> bool:
    return int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES and start[8:] == b"{"
