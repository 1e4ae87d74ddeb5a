"""SHA-256 of files, also before it is asked for. Imports little, so that a command can begin with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from archc.diagnostics import BuildError

CHUNK_BYTES = 4 << 20  # at a time: a thread that hashes waits for Python's lock once for each


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises BuildError: it cannot be read."""
    digest, chunk = sha256(), memoryview(bytearray(CHUNK_BYTES))
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(chunk):
                digest.update(chunk[:count])
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}", code="unreadable") from None
    return digest.hexdigest()


def hash_ahead(path: Path) -> Callable[[], str]:
    """Waits for the SHA-256 of a file, with which a thread begins at once. Raises BuildError when it is waited for."""
    return ThreadPoolExecutor(1).submit(sha256_of, path).result
