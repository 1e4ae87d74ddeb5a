"""Writes files whole or not at all: a temporary name in the same directory, synced, then renamed.

A crash at any moment leaves the old file or the new one; a full disk leaves the old one.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from archc.diagnostics import ExportError

if TYPE_CHECKING:
    from hashlib import _Hash

    from _typeshed import ReadableBuffer

BUFFER_BYTES = 1 << 20
HASH_DIGITS = 16  # of a companion's SHA-256, in its name


@contextmanager
def atomic_write(path: str | os.PathLike[str], digest: _Hash | None = None) -> Iterator[BinaryIO]:
    """Open a file that takes the name `path` when the block ends, and vanishes if it raises.

    With `digest` (`hashlib.sha256()`), what is written is hashed on the way, and must be written from front to back.
    Permissions follow the umask; an existing file is replaced.
    Raises: ExportError: the directory is missing or not writable, the disk is full, `path` is a directory.
    """
    target = Path(path)
    if target.is_dir():
        raise _error(target, IsADirectoryError(0, "it is a directory"))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    output = _Output(temporary, target, digest)
    try:
        with io.BufferedWriter(output, BUFFER_BYTES) as file:
            yield file
            file.flush()
            output.sync()
        _rename(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> str:
    """Write a whole file and return the SHA-256 of its bytes, in hexadecimal. Raises ExportError."""
    with atomic_write(path) as file:
        file.write(data)
    return sha256(data).hexdigest()


def write_text(path: str | os.PathLike[str], text: str) -> str:
    """Write a whole file in UTF-8, lines ending as they are; see `write_bytes`."""
    return write_bytes(path, text.encode())


class Companions:
    """Files that an artefact needs beside it.

    Their names hold a hash of their content, so they can land before the artefact that names them: an older artefact
    keeps its own until the new one has taken its place.
    """

    def __init__(self, artefact: Path) -> None:
        self.folder, self.stem = artefact.parent, artefact.stem
        self.digests: dict[str, str] = {}  # SHA-256 by name
        self._created: list[Path] = []

    def write(self, suffix: str, write: Callable[[BinaryIO], None]) -> str:
        """Write one file and return its name. Raises ExportError."""
        digest = sha256()
        unnamed = self.folder / f".{self.stem}{suffix}"
        with atomic_write(unnamed, digest) as file:
            write(file)
        name = f"{self.stem}-{digest.hexdigest()[:HASH_DIGITS]}{suffix}"
        named = self.folder / name
        if not named.exists():
            self._created.append(named)
        _rename(unnamed, named)
        self.digests[name] = digest.hexdigest()
        return name

    def discard(self) -> None:
        """Remove what was written, because its artefact is not delivered; a file that was there before stays."""
        for path in self._created:
            path.unlink(missing_ok=True)


class _Output(io.FileIO):
    """The temporary file: hashes what is written, and reports every failure under the target's name."""

    def __init__(self, temporary: Path, target: Path, digest: _Hash | None) -> None:
        self._target, self._digest, self._hashed = target, digest, 0
        try:
            super().__init__(temporary, "xb")
        except OSError as error:
            raise _error(target, error) from error

    def write(self, data: ReadableBuffer, /) -> int:
        if self._digest is not None and self.tell() != self._hashed:
            raise io.UnsupportedOperation("a file that is hashed on the way is written from front to back")
        try:
            count = super().write(data)
        except OSError as error:
            raise _error(self._target, error) from error
        assert count is not None, "the file is blocking"
        if self._digest is not None:
            self._digest.update(memoryview(data)[:count])
            self._hashed += count
        return count

    def sync(self) -> None:
        """Wait until the disk has it."""
        try:
            os.fsync(self.fileno())
        except OSError as error:
            raise _error(self._target, error) from error


def _rename(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        raise _error(target, error) from error


def _sync_directory(directory: Path) -> None:
    # The new name is in the directory, which has a cache of its own. Windows cannot open a directory.
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _error(target: Path, error: OSError) -> ExportError:
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        reason = f"there is no directory {target.parent}"
    return ExportError(f"cannot write {target}: {reason}", code="cannot-write")
