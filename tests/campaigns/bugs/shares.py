"""Files that are off by a share of the output, or of one node's output: everywhere, or at some batches or sizes."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import partial

import onnx

from tests.campaigns.bugs.catalogue import WrongNumbers, register
from tests.campaigns.bugs.conditions import Condition, batch_is, height_is, off_where
from tests.campaigns.bugs.draft import Draft, require

PERCENT = {"0.4": 0.004, "1": 0.01, "2": 0.02, "5": 0.05}
EXTREMES = {percent: PERCENT[percent] for percent in ("0.4", "5")}
BATCHES = (3, 4, 8)


def off(share: float, output: bool, condition: Condition | None = None) -> Callable[[Draft, onnx.NodeProto], None]:
    """A change that makes the network's output, or that of any other node, larger by a share of itself."""

    def change(draft: Draft, node: onnx.NodeProto) -> None:
        require(draft.is_float(node.output[0]), "its output is no number of the network's")
        require(draft.is_output(node.output[0]) == output, "it is in the wrong place")
        off_where(draft, node, share, condition)

    return change


def wrong_batch(wrong: Callable[[int], bool]) -> Callable[[str, tuple[int, ...]], bool]:
    """True if a complaint is about wrong batches alone, or names one."""

    def named(text: str, batches: tuple[int, ...]) -> bool:
        told = [int(number) for number in re.findall(r"\bbatch(?:es)?\D{0,10}?(\d+)", text)]
        return any(map(wrong, told)) or (bool(batches) and all(map(wrong, batches)))

    return named


def wrong_size(text: str, batches: tuple[int, ...]) -> bool:
    """True if a complaint names a size."""
    return re.search(r"\b\d+ ?[x×] ?\d+\b", text) is not None


def _sides(draft: Draft) -> tuple[int, int, int]:
    """Least, usual and largest height of the images, as `networks.dynamic` makes them of the usual one."""
    usual = draft.origins.image[1]
    return 3 * usual // 4, usual, 3 * usual // 2


def _other_size(draft: Draft, value: str) -> str:
    return draft.emit("Not", height_is(draft, "Equal", _sides(draft)[1]))


def _size_between(draft: Draft, value: str) -> str:
    least, _, largest = _sides(draft)
    inside = draft.emit("And", height_is(draft, "Greater", least), height_is(draft, "Less", largest))
    return draft.emit("And", inside, _other_size(draft, value))


for where, output in (("output", True), ("node", False)):
    for percent, share in PERCENT.items():
        register(WrongNumbers(f"{where}_off_by_{percent}_percent", (), off(share, output)))
    for percent, share in EXTREMES.items():
        change = off(share, output, partial(batch_is, comparison="Greater", size=2))
        name, above = f"{where}_off_by_{percent}_percent_above_batch_2", wrong_batch(partial(operator.lt, 2))
        register(WrongNumbers(name, (), change, named=above))
    for batch in BATCHES:
        change = off(PERCENT["5"], output, partial(batch_is, comparison="Equal", size=batch))
        named = wrong_batch(partial(operator.eq, batch))
        register(WrongNumbers(f"{where}_off_at_batch_{batch}", (), change, named=named))
    for sizes, condition in (("other_sizes", _other_size), ("sizes_in_between", _size_between)):
        change = off(PERCENT["5"], output, condition)
        register(WrongNumbers(f"{where}_off_at_{sizes}", (), change, named=wrong_size, resizable=True))
