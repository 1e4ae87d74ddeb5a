"""What commands and calls can ask for about weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WeightOptions:
    """Where weights come from: a file, else initialisers with a seed. `ignore` and `rename` adapt a file's keys."""

    file: Path | None = None
    seed: int = 0
    ignore: Sequence[str] = ()
    rename: Sequence[tuple[str, str]] = ()
