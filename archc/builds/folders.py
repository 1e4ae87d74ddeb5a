"""The folder that a build goes to: made when it is needed, and gone again if nothing came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archc.diagnostics import UsageError, option
from archc.exporting import exporter_of


@contextmanager
def made_folder(folder: Path) -> Iterator[Path]:
    """Make a folder and those above it; if the block raises, those that were made and are empty are removed.

    Raises: UsageError: it cannot be made, is a file, or has the name of an artefact.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    if missing and exporter_of(folder.name):
        help = f"such as {option('output', str(folder.with_suffix('')))}; the file in it is named after the network"
        raise UsageError(
            f"{option('output')} names a folder, and {folder} looks like a file", code="bad-option", help=help
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{folder} is a file, and {option('output')} names a folder", code="bad-option") from None
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}", code="bad-option") from None
    try:
        yield folder
    except BaseException:
        for path in missing:
            with suppress(OSError):  # there is something in it
                path.rmdir()
        raise
