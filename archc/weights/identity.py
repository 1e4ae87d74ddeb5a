"""Tells networks with the same tensors from others by what decides the tensors: none is read or drawn for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from archc.weights.initialize import InitializedWeights
from archc.weights.match import MatchedWeights


def tensors_digest(weights: InitializedWeights | MatchedWeights, given: str | None, versions: Mapping[str, str]) -> str:
    """SHA-256 over every tensor's path and the key or the draw that it comes from.

    `given` is the SHA-256 of the weights that the keys belong to. `versions` are those of the packages that draw,
    since another version may draw other numbers; they count only where something is drawn.
    """
    origins = {path: weights.origin(path) for path in weights}
    drawn = any("seed" in origin for origin in origins.values())
    decisive = {"given": given, "versions": dict(versions) if drawn else {}, "tensors": origins}
    return sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
