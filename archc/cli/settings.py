"""Texts of options, as the pipeline takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from archc.diagnostics import UsageError
from archc.pipeline.hashing import hash_ahead
from archc.pipeline.options import WeightOptions


def parse_settings(texts: Sequence[str] | None) -> dict[str, str]:
    """`--set NAME=VALUE` by name. Raises UsageError."""
    return dict(_pair("--set", "NAME=VALUE", text) for text in texts or ())


def weight_options(
    file: Path | None, seed: int | None, ignore: Sequence[str] | None, rename: Sequence[str] | None
) -> WeightOptions:
    """The options about weights. Raises UsageError."""
    pairs = tuple(_pair("--rename", "REGEX=TEXT", text) for text in rename or ())
    return WeightOptions(file, seed, tuple(ignore or ()), pairs)


def hashed(options: WeightOptions) -> WeightOptions:
    """The same, with a thread that hashes the file while a command still imports what it needs."""
    if options.file is None or not options.file.is_file():
        return options
    return replace(options, digest=hash_ahead(options.file))


def _pair(option: str, form: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{option} takes {form}, not '{text}'", code="bad-option")
    return name, value
