"""The complaint that a weights file cannot be read."""

from archc.diagnostics import BuildError


def unreadable(source: str, reason: str, remedy: str | None = None) -> BuildError:
    """An error with the code `unreadable-weights`."""
    return BuildError(f"cannot read weights from {source}: {reason}", code="unreadable-weights", help=remedy)
