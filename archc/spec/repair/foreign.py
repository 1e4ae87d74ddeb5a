"""Words of other frameworks and of papers, and the words that are meant by them here."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

ELSEWHERE = {
    "add": "sum",
    "bn": "batch_norm",
    "cat": "concat",
    "concatenate": "concat",
    "dense": "linear",
    "fc": "linear",
    "gap": "adaptive_avg_pool2d",
    "global_avg_pool": "adaptive_avg_pool2d",
    "ln": "layer_norm",
    "lrn": "local_response_norm",
    "mul": "product",
    "multiply": "product",
    "plus": "sum",
    "stack": "concat",
    "swish": "silu",
}

OPERATOR_KEYS = ("op", "type", "layer", "module", "operator", "block")
"""Keys that name an operator in the files of others."""

_NEAR = 0.75  # 'conv', which is a good name for a sequence, is 0.6 near to 'concat'


def composite_meant(word: str, composites: Sequence[str]) -> str | None:
    """The composite that a misspelt or foreign word is likely to mean."""
    lower = word.lower()
    if ELSEWHERE.get(lower) in composites:
        return ELSEWHERE[lower]
    is_short = len(lower) <= 2 * max(map(len, composites))
    near = get_close_matches(lower, composites, n=1, cutoff=_NEAR) if is_short else []
    return near[0] if near else None
