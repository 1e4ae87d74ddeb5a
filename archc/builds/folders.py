"""The folder of a build: made when it is needed, gone again if nothing came of it, and left by no link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archc.diagnostics import BuildError, UsageError, option
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


def refuse_links(folder: Path, *names: str) -> None:
    """Raise BuildError if one of these names is a link that leads out of the folder."""
    root = folder.resolve()
    for path in (folder / name for name in names):
        try:
            inside = not path.is_symlink() or path.resolve(strict=True).is_relative_to(root)
        except (OSError, RuntimeError):  # it leads nowhere, or in a circle
            inside = False
        if not inside:
            raise BuildError(
                f"{path} is a link that leads out of the build",
                code="unreadable",
                help="put the file itself in its place, as `cp -L` copies a folder",
            )
