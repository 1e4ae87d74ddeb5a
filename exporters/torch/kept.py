"""The spec that an archive of PyTorch's keeps, in a record of its own beside those that PyTorch loads."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from archc.diagnostics import ExportError
from archc.exporting import SPEC_KEY
from archc.weights.archive import ArchiveError, records

from .records import MOST_TEXT_BYTES, Unsafe, opened

FOLDERS = ("extra", "extra_files")  # the second in .pt2 archives of before PyTorch 2.8


def extra_files(spec: str) -> dict[str, str]:
    """What PyTorch's writers are given to keep a spec; nothing for an empty one."""
    return {SPEC_KEY: spec} if spec else {}


def kept_spec(path: Path) -> str:
    """The spec that an archive keeps, read without PyTorch; empty if it keeps none. Raises ExportError."""
    with opened(path) as file:
        try:
            sizes = records(file)
            found = [name for name in sizes if name.split("/")[-2:] in [[folder, SPEC_KEY] for folder in FOLDERS]]
            if any(sizes[name] > MOST_TEXT_BYTES for name in found):
                raise Unsafe(f"its spec has more than {MOST_TEXT_BYTES:,} bytes")
            return ZipFile(file).read(found[0]).decode() if found else ""
        except (ArchiveError, BadZipFile, OSError, UnicodeDecodeError) as error:
            raise ExportError(f"{path} cannot be read: {error}", code="unreadable") from None
