"""Opens files of strangers, and writes files whole or not at all.

What is read is a regular file of bounded size: a pipe or a device could wait, or give bytes, for ever. What is written
has a temporary name in the same directory, is synced, then renamed. A crash at any moment leaves the old file or the
new one; a full disk leaves the old one.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from archc.diagnostics import ExportError

if TYPE_CHECKING:
    from hashlib import _Hash

    from _typeshed import ReadableBuffer

BUFFER_BYTES = 1 << 20
FOLLOWED_BYTES = 16 << 20  # what is hashed and synced at a time
HASH_DIGITS = 16  # of a companion's SHA-256, in its name
MOST_BYTES = 1 << 37
"""Size of a file of weights, at most: a sparse file can claim any."""
IRREGULAR = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: not stat.S_ISREG(mode), "a device"),
)


def open_regular(path: str | os.PathLike[str], most: int = MOST_BYTES) -> io.FileIO:
    """Open a regular file of at most so many bytes for reading, without ever waiting for it.

    Raises: OSError: it cannot be opened, is something else than a regular file, or is larger.
    """
    _check_regular(path, Path(path).stat(), most)  # before: to open a device can have effects of its own
    file = io.FileIO(path, opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    try:
        _check_regular(path, os.fstat(file.fileno()), most)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """All bytes of a regular file. Raises OSError, as `open_regular` does."""
    with open_regular(path, most) as file:
        data = file.read(os.fstat(file.fileno()).st_size + 1)
        while len(data) <= most and (more := file.read(BUFFER_BYTES)):  # it grew meanwhile
            data += more
    if len(data) > most:
        raise _too_large(path, most)
    return data


def _check_regular(path: str | os.PathLike[str], status: os.stat_result, most: int) -> None:
    for is_one, name in IRREGULAR:
        if is_one(status.st_mode):
            raise OSError(errno.EINVAL, f"it is {name}", os.fspath(path))
    if status.st_size > most:
        raise _too_large(path, most)


def _too_large(path: str | os.PathLike[str], most: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {most:,} bytes", os.fspath(path))


@contextmanager
def atomic_write(
    path: str | os.PathLike[str], digest: _Hash | None = None, called: str | None = None
) -> Iterator[BinaryIO]:
    """Open a file that takes the name `path` when the block ends, and vanishes if it raises.

    With `digest` (`hashlib.sha256()`), what is written is hashed on the way, and must be written from front to back.
    `called` is the file's name in errors, where `path` is not its last one. Permissions follow the umask; an existing
    file is replaced.
    Raises: ExportError: the directory is missing or not writable, the disk is full, `path` is a directory.
    """
    target = Path(path)
    if target.is_dir():
        raise _error(target, IsADirectoryError(0, "it is a directory"))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    told = target.with_name(called or target.name)
    try:  # before the file exists: whatever moment Ctrl-C or SIGTERM comes at, it vanishes
        with io.BufferedWriter(_Output(temporary, told, digest), BUFFER_BYTES) as file:
            yield file
            settle(file)
        _rename(temporary, target, told)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def settle(file: BinaryIO) -> None:
    """Have all that was written to a file of `atomic_write` hashed and on the disk, before its block ends.

    Raises ExportError.
    """
    file.flush()
    assert isinstance(file, io.BufferedWriter), "atomic_write gives one"
    assert isinstance(file.raw, _Output), "atomic_write gives one"
    file.raw.finish()


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
        unnamed = self.folder / f".{self.stem}-{secrets.token_hex(4)}{suffix}"  # nor another process's
        try:
            with atomic_write(unnamed, digest, called=f"{self.stem}-…{suffix}") as file:
                write(file)
            name = f"{self.stem}-{digest.hexdigest()[:HASH_DIGITS]}{suffix}"
            named = self.folder / name
            if not named.exists():
                self._created.append(named)
            _rename(unnamed, named, named)
        finally:
            unnamed.unlink(missing_ok=True)
        self.digests[name] = digest.hexdigest()
        return name

    def discard(self) -> None:
        """Remove what was written, because its artefact is not delivered; a file that was there before stays."""
        for path in self._created:
            path.unlink(missing_ok=True)


class _Output(io.FileIO):
    """The temporary file: has what is written hashed, and reports every failure under the target's name."""

    def __init__(self, temporary: Path, target: Path, digest: _Hash | None) -> None:
        self._target, self._written, self._moved = target, 0, False
        self._follower: _Follower | None = None
        try:
            super().__init__(temporary, "x+b")
        except OSError as error:
            raise _error(target, error) from error
        if digest is not None:
            self._follower = _Follower(self.fileno(), digest)

    def write(self, data: ReadableBuffer, /) -> int:
        # A write that a signal breaks off is made again as the file is closed: that alone is not out of order.
        if self._follower and self._moved and self.tell() != self._written:
            raise io.UnsupportedOperation("a file that is hashed on the way is written from front to back")
        try:
            count = super().write(data)
        except OSError as error:
            raise _error(self._target, error) from error
        assert count is not None, "the file is blocking"
        self._written += count
        if self._follower:
            self._follower.follow(self._written)
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._moved = True
        return super().seek(offset, whence)

    def finish(self) -> None:
        """Wait until the digest is complete and the disk has the file."""
        try:
            if self._follower:
                self._follower.finish(self._written)
            os.fsync(self.fileno())
        except OSError as error:
            raise _error(self._target, error) from error

    def close(self) -> None:
        if self._follower:
            self._follower.close()
        super().close()


class _Follower:
    """Goes over a file behind its writer, on two threads: one hashes it, one has the disk begin with it."""

    def __init__(self, descriptor: int, digest: _Hash) -> None:
        self._descriptor, self._digest, self._hashed = descriptor, digest, 0
        self._threads = ThreadPoolExecutor(2)
        self._hashing: Future[None] | None = None
        self._syncing: Future[None] | None = None

    def follow(self, end: int) -> None:
        """What lies before `end` is written."""
        if end - self._hashed >= FOLLOWED_BYTES:
            if self._hashing is None or self._hashing.done():
                self._hashing = self._threads.submit(self._hash, end)
            if self._syncing is None or self._syncing.done():
                self._syncing = self._threads.submit(os.fsync, self._descriptor)

    def finish(self, end: int) -> None:
        """Hash the rest. Raises OSError."""
        for running in (self._hashing, self._syncing):
            if running is not None:
                running.result()
        self._hash(end)

    def close(self) -> None:
        """Wait for the threads, before the file is closed under them."""
        self._threads.shutdown()

    def _hash(self, end: int) -> None:
        while self._hashed < end:
            data = os.pread(self._descriptor, min(BUFFER_BYTES, end - self._hashed), self._hashed)
            if not data:
                raise OSError(0, "it was truncated while it was being written")
            self._digest.update(data)
            self._hashed += len(data)


def _rename(temporary: Path, target: Path, told: Path) -> None:
    try:
        temporary.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        raise _error(told, error) from error


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
    if isinstance(error, FileNotFoundError) and not target.parent.is_dir():
        reason = f"there is no directory {target.parent}"
    return ExportError(f"cannot write {target}: {reason}", code="cannot-write")
