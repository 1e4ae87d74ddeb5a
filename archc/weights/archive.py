"""The frame of PyTorch's archives (`.pth`, `.pt`, `.pt2`): ZIP files whose records are mostly stored as they are.

PyTorch compresses only TorchScript's code, but reads any compressed record: 250 kB could inflate to gigabytes.
"""

from __future__ import annotations

from io import SEEK_END
from typing import IO
from zipfile import ZIP_STORED, ZipFile

MOST_PICKLE_BYTES = 8 << 20
"""Size of a pickle, at most: PyTorch takes up to 2 s for each MB of one. A tensor takes 150 bytes of it."""

MOST_INFLATED_BYTES = 64 << 20
"""What the compressed records of an archive may inflate to, together."""


class ArchiveError(ValueError):
    """An archive is not what PyTorch writes."""


def records(file: IO[bytes]) -> dict[str, int]:
    """Name → size of every record.

    Raises: ArchiveError: its records would take more bytes than the file has; BadZipFile and others: it is damaged.
    """
    with ZipFile(file) as archive:
        entries = archive.infolist()
    names: set[str] = set()
    for entry in entries:
        if entry.filename.lower() in names:  # in which case PyTorch's reader does not tell them apart
            raise ArchiveError(f"it has two records {entry.filename}")
        if entry.filename.endswith(".pkl") and entry.file_size > MOST_PICKLE_BYTES:
            raise ArchiveError(f"its record {entry.filename} has more than {MOST_PICKLE_BYTES:,} bytes")
        names.add(entry.filename.lower())
    inflated = sum(entry.file_size for entry in entries if entry.compress_type != ZIP_STORED)
    if inflated > MOST_INFLATED_BYTES:
        raise ArchiveError(f"its records inflate to more than {MOST_INFLATED_BYTES:,} bytes")
    if sum(entry.file_size for entry in entries) > file.seek(0, SEEK_END) + inflated:
        raise ArchiveError("its records overlap")
    return {entry.filename: entry.file_size for entry in entries}
