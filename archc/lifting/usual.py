"""Fields and initializers that all operators of one word share: what a document says once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from archc.lifting.items import Call, Data, Item, calls
from archc.operators import is_operator, operator_model

FEWEST = 3  # operators for which a default is worth a line
SETTINGS = ("eps", "momentum", "negative_slope")


def usual_initializers(items: Iterable[Item]) -> dict[str, dict[str, Data]]:
    """The commonest initializer of each tensor that no operator of its word leaves as it is; it goes from the items."""
    found: dict[str, dict[str, Data]] = {}
    for word, same in _by_word(items).items():
        if operator_model(word).tensors == ("",):
            continue
        for tensor in operator_model(word).tensors:
            chosen = [call.init.get(tensor) for call in same if _has(call, tensor)]
            if not chosen or any(each is None for each in chosen):
                continue
            (usual, _), *_ = Counter(map(repr, chosen)).most_common(1)
            found.setdefault(word, {})[tensor] = next(each for each in chosen if repr(each) == usual)
            for call in same:
                if repr(call.init.get(tensor)) == usual:
                    del call.init[tensor]
    return found


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


def _has(call: Call, tensor: str) -> bool:
    """True if the operator has this tensor."""
    return tensor in call.tensors
