"""Words of other frameworks and of papers, and the words that are meant by them here."""

from __future__ import annotations

from difflib import get_close_matches

from archc.spec.language.names import COMPOSITES

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
_LONGEST = 2 * max(map(len, COMPOSITES))


def composite_meant(word: str) -> str | None:
    """The composite that a misspelt or foreign word is likely to mean."""
    lower = word.lower()
    if ELSEWHERE.get(lower) in COMPOSITES:
        return ELSEWHERE[lower]
    near = get_close_matches(lower, COMPOSITES, n=1, cutoff=_NEAR) if len(lower) <= _LONGEST else []
    return near[0] if near else None
