"""Fields and initializers that all operators of one word share: what a document says once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from archc.lifting.items import Call, Data, Item, calls
from archc.operators import is_operator, operator_model

FEWEST = 3  # operators for which a default is worth a line
SETTINGS = ("eps", "momentum", "negative_slope")


def usual_initializers(items: Iterable[Item]) -> dict[str, dict[str, Data]]:
    """The initializer that most operators of a word have for a tensor; it goes from the items.

    Operators that have their own, the same for all of them, then say so.
    """
    found: dict[str, dict[str, Data]] = {}
    for word, same in _by_word(items).items():
        for tensor in filter(None, operator_model(word).tensors):
            having = [call for call in same if tensor in call.tensors]
            usual = _usual([call.init.get(tensor) for call in having])
            own = {repr(call.tensors[tensor]) for call in having if tensor not in call.init}
            if usual is not None and len(own) < 2:
                found.setdefault(word, {})[tensor] = usual
                for call in having:
                    if call.init.setdefault(tensor, call.tensors[tensor]) == usual:
                        del call.init[tensor]
    return found


def _usual(chosen: Sequence[Data]) -> Data:
    """What more than half have; the commonest if all have one. None otherwise, and where it is the operator's own."""
    ((usual, number),) = Counter(map(repr, chosen)).most_common(1) or [("", 0)]
    if None in chosen and number <= len(chosen) / 2:
        return None
    return next((each for each in chosen if repr(each) == usual), None)


def usual_defaults(items: Iterable[Item]) -> dict[str, dict[str, Data]]:
    """Settings, such as `eps`, that all operators of a word have alike; they go from the items."""
    found: dict[str, dict[str, Data]] = {}
    for word, same in _by_word(items).items():
        for name in SETTINGS:
            values = {repr(call.fields[name]) for call in same if name in call.fields}
            if len(same) >= FEWEST and len(values) == 1 and all(name in call.fields for call in same):
                found.setdefault(word, {})[name] = same[0].fields[name]
                for call in same:
                    del call.fields[name]
    return found


def _by_word(items: Iterable[Item]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for call in calls(items):
        if is_operator(call.word):
            found.setdefault(call.word, []).append(call)
    return found
