"""Which word is likely to be meant by a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from itertools import chain, islice, takewhile

_NEAR = 0.6
_EQUALLY_NEAR = 8  # candidates that are compared
_LONGEST_WORD = 64
_MOST_CANDIDATES = 1000


def nearest(word: str, candidates: Iterable[str], near: float = _NEAR) -> str | None:
    """The candidate that a misspelt word is likely to mean, whatever its case; None if none is `near` (0 to 1).

    Of several that are equally near it is the one that begins most like the word.
    """
    if len(word) > _LONGEST_WORD:  # the comparison takes time quadratic in the length
        return None
    by_lower = {candidate.lower(): candidate for candidate in islice(candidates, _MOST_CANDIDATES)}
    found = get_close_matches(word.lower(), by_lower, n=_EQUALLY_NEAR, cutoff=near)
    return by_lower[max(found, key=lambda other: _likeness(other, word.lower()))] if found else None


def _likeness(candidate: str, word: str) -> tuple[float, int]:
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(candidate, word, strict=False))
    return SequenceMatcher(None, candidate, word).ratio(), len(list(alike))


def with_part(word: str, names: Iterable[str]) -> str | None:
    """The first name of which a word is a part: `size` of `kernel_size`; else one of which either begins the other."""
    names = tuple(names) if word else ()
    parts = (name for name in names if word in name.split("_"))
    begun = (name for name in names if name.startswith(word))
    beginnings = (name for name in names if word.startswith(name))
    return next(chain(parts, begun, beginnings), None)


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """`did you mean 'x'?` for the nearest candidate, or None if none is near."""
    near = nearest(word, candidates)
    return f"did you mean '{near}'?" if near else None
