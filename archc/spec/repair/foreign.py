"""Words of other frameworks and of papers, and the words that are meant by them here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple, TypeVar

from archc.diagnostics import did_you_mean
from archc.spec.repair.pytorch import is_of_pytorch, plain, same_word

Value = TypeVar("Value")

OPERATOR_KEYS = ("op", "type", "layer", "module", "operator", "block")
"""Keys that name an operator in the files of others."""

CALL_KEYS_ELSEWHERE: dict[str, str] = dict.fromkeys(("repeat", "repeats", "times", "num_repeats"), "count")
"""What others call a key that every call has → the key."""

_RESIDUAL = "did you mean 'sum'? a shortcut is one of its branches: 'sum: [[…], identity]'"
_RECIPES = {
    "residual": _RESIDUAL,
    "residual_connection": _RESIDUAL,
    "skip": _RESIDUAL,
    "skip_connection": _RESIDUAL,
    "shortcut": _RESIDUAL,
    "dwconv": "did you mean 'conv2d' with 'groups: $channels'?",
    "depthwise": "did you mean 'conv2d' with 'groups: $channels'?",
    "depthwise_conv": "did you mean 'conv2d' with 'groups: $channels'?",
    "depthwise_conv2d": "did you mean 'conv2d' with 'groups: $channels'?",
    "pwconv": "did you mean 'conv2d' with 'kernel_size: 1'?",
    "pointwise_conv": "did you mean 'conv2d' with 'kernel_size: 1'?",
    "layer_scale": "write 'product: [identity, parameter: {name: gamma, shape: $features, init: {constant: 1e-5}}]', "
    "with 'shape: [$channels, 1, 1]' for an image",
}
"""Words that mean no single operator → how to write what they mean. A sequence may be called so."""

JOINS_BY_NAME = {
    "residual": ("sum: [identity, […]]", "added"),
    "skip": ("sum: [identity, […]]", "added"),
    "shortcut": ("sum: [identity, […]]", "added"),
    "parallel": ("concat: [[…], […]]", "joined"),
    "branches": ("concat: [[…], […]]", "joined"),
    "se": ("product: [identity, […]]", "multiplied"),
}
"""Names of sequences whose author may well mean a composite -> what to write, and what it does with its branches."""

_NEAR = 0.75  # 'conv', which is a good name for a sequence, is 0.6 near to 'concat'


class Meaning(NamedTuple):
    """What is known of a word that is none here: how to write it, or that archc has nothing of the kind."""

    help: str | None
    is_absent: bool = False


def meaning(word: str, words: Sequence[str], elsewhere: Mapping[str, Iterable[str]]) -> Meaning:
    """The meaning of a word, which may be `nn.Linear`; `elsewhere` maps foreign words to some of `words`, ours."""
    word = word.rpartition(".")[2]
    if recipe := _plainly(_RECIPES).get(plain(word)):
        return Meaning(recipe)
    if ours := _plainly(elsewhere).get(plain(word)):
        quoted = " or ".join(f"'{each}'" for each in ours)
        return Meaning(f"did you mean {quoted}?")
    if same := same_word(word, words):
        return Meaning(f"did you mean '{same}'?")
    is_absent = is_of_pytorch(word)
    return Meaning(None if is_absent else did_you_mean(word, words), is_absent)


def _plainly(table: Mapping[str, Value]) -> dict[str, Value]:
    return {plain(word): value for word, value in table.items()}


def composite_meant(word: str, composites: Sequence[str], elsewhere: Mapping[str, Sequence[str]]) -> str | None:
    """The composite that a misspelt or foreign word is likely to mean; `elsewhere` maps foreign words to ours."""
    lower = word.lower()
    if meant := next((ours for ours in elsewhere.get(lower, ()) if ours in composites), None):
        return meant
    is_short = len(lower) <= 2 * max(map(len, composites))
    near = get_close_matches(lower, composites, n=1, cutoff=_NEAR) if is_short else []
    return near[0] if near else None
