"""Files of specs in the canonical style."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

from archc.builds.targets import MANIFEST
from archc.diagnostics import UsageError
from archc.files import write_text
from archc.spec.format import format_text
from archc.spec.yaml.loader import read_source


class Formatted(NamedTuple):
    """A file, and its text before and after."""

    path: str
    before: str
    after: str

    @property
    def is_changed(self) -> bool:
        """True if the file is not in the canonical style."""
        return self.before != self.after

    def write(self) -> None:
        """Replace the file, if it changes, by one with the same permissions. Raises ExportError."""
        if self.is_changed:
            path = Path(self.path).resolve()  # a link stays a link
            mode = path.stat().st_mode & 0o777
            write_text(path, self.after)
            path.chmod(mode)

    def diff(self) -> list[str]:
        """What changes, as `diff -u` writes it."""
        lines = unified_diff(self.before.splitlines(), self.after.splitlines(), self.path, self.path, lineterm="")
        return list(lines)


def format_file(path: str) -> Formatted:
    """A file in the canonical style, which is not written yet.

    Raises: SpecError: it is no YAML that archc reads; UsageError: it belongs to a build.
    """
    source = read_source(path)
    if (Path(path).parent / MANIFEST).is_file():
        help = "format the spec that it was built from, and build that anew"
        raise UsageError(f"{path} is part of a build, which never changes", code="unknown-target", help=help)
    return Formatted(path, source.text, format_text(source.text, source.name))
