"""What a comparison found: checks with their status, differences with both places, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any


class Status(Enum):
    """What became of one check."""

    EQUAL = "equal"
    ROUNDING = "equal up to rounding"
    DIFFERENT = "different"
    SKIPPED = "not compared"


class Verdict(Enum):
    """Whether network and module are one: `ORDER` if only the order of the keys differs."""

    EQUAL = "equal"
    ORDER = "equal but for the order of keys"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"


ORDER = "key order"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which network and module differ.

    `path` is the module's path, if it lies in one; `spec` and `module` are the two places, as `file:line` with names.
    `details` say more, such as an attribute that explains it.
    """

    check: str
    message: str
    path: str = ""
    spec: str | None = None
    module: str | None = None
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((self.message, *(f"  {line}" for line in self.lines())))

    def lines(self) -> Iterator[str]:
        """The details, and the places that are known."""
        yield from self.details
        yield from (f"{name}: {place}" for name in ("spec", "module") if (place := getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared, what was found, and on what it was tried."""

    name: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison of the network `network` with the module `module` (the name of its class).

    `notes` tell what does not decide, such as a size that one of the two refuses.
    """

    network: str
    module: str
    checks: tuple[Check, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int = field(default=0)

    @property
    def verdict(self) -> Verdict:
        """Different if any check found a difference; inconclusive if one could not be made."""
        wrong = {check.name for check in self.checks if check.status is Status.DIFFERENT}
        if wrong:
            return Verdict.ORDER if wrong == {ORDER} else Verdict.DIFFERENT
        skipped = any(check.status is Status.SKIPPED for check in self.checks)
        return Verdict.INCONCLUSIVE if skipped else Verdict.EQUAL

    def check(self, name: str) -> Check:
        """The check of this name."""
        return next(check for check in self.checks if check.name == name)

    def as_json(self) -> dict[str, Any]:
        """Plain data for a script."""
        return {
            "network": self.network,
            "module": self.module,
            "verdict": self.verdict.value,
            "seed": self.seed,
            "checks": [{**asdict(check), "status": check.status.value} for check in self.checks],
            "differences": [asdict(difference) for difference in self.differences],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.network} and {self.module}: {self.verdict.value}"]
        lines += [
            f"  {check.name}: {check.status.value}{check.detail and f', {check.detail}'}" for check in self.checks
        ]
        return "\n".join([*lines, *map(str, self.differences), *(f"note: {note}" for note in self.notes)])
