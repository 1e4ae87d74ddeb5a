"""SHA-256 of files, also before it is asked for. Imports little, so that a command can begin with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from archc.diagnostics import BuildError
from archc.files import open_regular

CHANGED = "not the file that was built: its SHA-256 differs"
CHUNK_BYTES = 4 << 20  # at a time: a thread that hashes waits for Python's lock once for each


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises BuildError: it cannot be read."""
    digest, chunk = sha256(), memoryview(bytearray(CHUNK_BYTES))
    try:
        with open_regular(path) as file:
            while count := file.readinto(chunk):
                digest.update(chunk[:count])
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}", code="unreadable") from None
    return digest.hexdigest()


class HashedFile:
    """A file that is hashed once: by a thread after `begin`, else when `digest` or `confirm` is called.

    `digest` and `confirm` wait for the thread, and raise BuildError where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest: Callable[[], str] = cache(partial(sha256_of, path))
        self._begun = False

    def begin(self) -> None:
        """Have a thread hash the file from now on; what is no file (a pipe) is left alone."""
        if not self._begun and self.path.is_file():
            self._begun, self._digest = True, ThreadPoolExecutor(1).submit(self._digest).result

    def digest(self) -> str:
        """The SHA-256, in hexadecimal."""
        return self._digest()

    def confirm(self, expected: str | None) -> None:
        """Raise BuildError unless the SHA-256 is the one that a build's manifest expects."""
        if self.digest() != expected:
            help = f"`archc verify {self.path.parent}` tells what else was changed; build the spec anew"
            raise BuildError(f"{self.path} is {CHANGED}", code="changed-file", help=help)
