"""Inputs by number: the same seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.campaigns.fuzz.documents import Document, varied
from tests.campaigns.fuzz.mutations import mutated
from tests.campaigns.fuzz.texts import random_bytes, random_text

SHARES = {"bytes": 15, "text": 25, "mutated spec": 35, "document": 25}
"""The strategies, and how many inputs of a hundred each makes."""


def make(seed: int, pool: Sequence[Document]) -> tuple[str, bytes]:
    """The strategy and the bytes of an input; `pool` as `draw_pool` gives it."""
    random = Random(seed)
    (strategy,) = random.choices(list(SHARES), list(SHARES.values()))
    match strategy:
        case "bytes":
            return strategy, random_bytes(random)
        case "text":
            return strategy, random_text(random)
        case "mutated spec":
            return strategy, mutated(random)
    return strategy, varied(random, random.choice(pool))
