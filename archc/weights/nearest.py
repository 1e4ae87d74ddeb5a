"""Finds the key that somebody may have meant, among thousands."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from difflib import get_close_matches

SHORTLIST = 20
# How alike two names must be, from 0 to 1: names that only share `.weight` are not.
LEAST_LIKENESS = {"same shape": 0.6, "another shape": 0.85}


class NearestKey:
    """Looks for the most similar of some keys: by parts in common, then letter by letter in a short list.

    A tensor's shape counts as a part of its key. Comparing letters with every key would take minutes.
    """

    def __init__(self, keys: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        self._shapes = dict(keys)
        self._by_part: defaultdict[object, list[str]] = defaultdict(list)
        for key, shape in self._shapes.items():
            for part in _parts(key, shape):
                self._by_part[part].append(key)

    def __call__(self, key: str, shape: tuple[int, ...]) -> str | None:
        """The most similar key, or None if none is similar."""
        common: Counter[str] = Counter()
        for part in _parts(key, shape):
            common.update(self._by_part.get(part, ()))
        shortlist = [candidate for candidate, _ in common.most_common(SHORTLIST)]
        fitting = [candidate for candidate in shortlist if self._shapes[candidate] == shape]
        matches = [
            *get_close_matches(key, fitting, 1, LEAST_LIKENESS["same shape"]),
            *get_close_matches(key, shortlist, 1, LEAST_LIKENESS["another shape"]),
        ]
        return matches[0] if matches else None


def _parts(key: str, shape: tuple[int, ...]) -> set[object]:
    return {shape, *re.split(r"[._]", key)}
