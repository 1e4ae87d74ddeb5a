"""Files that are off for some inputs alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from archc.verification.images import images
from tests.campaigns.bugs.catalogue import WrongNumbers, register
from tests.campaigns.bugs.conditions import Condition, image_is, image_is_none_of
from tests.campaigns.bugs.draft import Draft
from tests.campaigns.bugs.shares import PERCENT, off

SATURATED, FAINT, DARK, BRIGHT = 6.0, 0.3, -1.0, 1.0  # normalised pixels: black is about -2, white about 2.5


def word(pattern: str) -> Callable[[str, tuple[int, ...]], bool]:
    """True if a complaint has one of these words."""
    return lambda text, batches: re.search(pattern, text) is not None


def _unknown(draft: Draft, value: str) -> str:
    """An image is none of archc's own at the network's usual size."""
    return image_is_none_of(draft, images(draft.origins.image))


KINDS: dict[str, tuple[Condition, str]] = {
    "saturated": (partial(image_is, statistic="ReduceMax", comparison="Greater", bound=SATURATED, magnitude=True),
                  "saturated|large|extreme|beyond"),
    "faint": (partial(image_is, statistic="ReduceMax", comparison="Less", bound=FAINT, magnitude=True),
              "faint|dark|black|near zero|small"),
    "dark": (partial(image_is, statistic="ReduceMean", comparison="Less", bound=DARK), "dark|black"),
    "bright": (partial(image_is, statistic="ReduceMean", comparison="Greater", bound=BRIGHT), "bright|white"),
    "unknown": (_unknown, ""),
}  # fmt: skip
"""Kind of inputs -> the condition, and the words by which a complaint may name them; any names what is unknown."""

for kind, (condition, words) in KINDS.items():
    change = off(PERCENT["5"], output=True, condition=condition)
    register(WrongNumbers(f"output_off_for_{kind}_inputs", (), change, named=word(words)))
