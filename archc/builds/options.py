"""What commands and calls can ask for about weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from archc.builds.hashing import HashedFile
from archc.diagnostics import UsageError, option


@dataclass(frozen=True)
class WeightOptions:
    """Where weights come from: a file or a `state_dict`, else initialisers with a seed (None: 0, and not asked for).

    `ignore` and `rename` adapt what is given; what is ignored is drawn from the seed.
    Raises: UsageError: the seed is no whole number from 0.
    """

    file: Path | None = None
    seed: int | None = None
    ignore: Sequence[str] = ()
    rename: Sequence[tuple[str, str]] = ()
    state_dict: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.seed, int) and not isinstance(self.seed, bool) and self.seed >= 0
        if self.seed is not None and not whole:
            raise UsageError(f"the seed must be a whole number of at least 0, not {self.seed!r}", code="bad-option")
        if (self.ignore or self.rename) and not self.given:
            names = f"{option('ignore')} and {option('rename')}"
            message = f"{names} adapt given weights, so they need {option('weights')}"
            raise UsageError(message, code="bad-option")

    @cached_property
    def hashed(self) -> HashedFile | None:
        """The file and its SHA-256, which is computed once."""
        return None if self.file is None else HashedFile(self.file)

    @property
    def given(self) -> bool:
        """Whether there are weights, and not just initialisers."""
        return self.file is not None or self.state_dict is not None

    @property
    def asked(self) -> bool:
        """Whether anything at all was asked for."""
        return self.given or self.seed is not None
