"""Texts of options, as the pipeline takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archc.diagnostics import UsageError
from archc.pipeline.options import WeightOptions


def parse_settings(texts: Sequence[str] | None) -> dict[str, str]:
    """`--set NAME=VALUE` by name. Raises UsageError."""
    return dict(_pair("--set", text) for text in texts or ())


def weight_options(
    file: Path | None, seed: int, ignore: Sequence[str] | None, rename: Sequence[str] | None
) -> WeightOptions:
    """The options about weights. Raises UsageError."""
    if file is None and (ignore or rename):
        raise UsageError("--ignore and --rename adapt a file of weights, so they need --weights", code="bad-option")
    return WeightOptions(file, seed, tuple(ignore or ()), tuple(_pair("--rename", text) for text in rename or ()))


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{option} takes NAME=VALUE, not '{text}'", code="bad-option")
    return name, value
