"""Data as JSON that every parser reads."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(data: Any) -> str:
    """Indented JSON with an end of line; NaN and infinity, which JSON does not have, become null."""
    return json.dumps(_finite(data), indent=2, allow_nan=False) + "\n"


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
