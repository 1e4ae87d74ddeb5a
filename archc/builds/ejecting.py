"""A target as a Python file that needs PyTorch alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archc.builds.targets import find_target, fixed_build
from archc.diagnostics import ExportError
from archc.files import write_text
from archc.spec.loading import load_spec

if TYPE_CHECKING:
    from archc.ejection import Ejected


def eject_target(target: str | Path, settings: Mapping[str, str], outputs: Sequence[str] = ()) -> Ejected:
    """The source of a spec, a build or a bundled spec, cut at the outputs that are named, if there are any.

    Raises: SpecError; UsageError: there is no such target or parameter; ExportError: no source does what it does.
    """
    from archc.ejection import eject_spec

    found = find_target(target, outputs)
    if found.build and settings:
        raise fixed_build(found.build, "parameters")
    return eject_spec(load_spec(found.spec).cut_at(outputs), settings)


def write_source(path: Path, text: str, *, force: bool) -> None:
    """Write a file. Raises ExportError: it cannot be written, or there is one and `force` is not set."""
    if path.exists() and not force:
        message = f"{path} exists, and may have been changed by hand"
        raise ExportError(message, code="cannot-write", help="name another file, or say that it may be replaced")
    write_text(path, text)
