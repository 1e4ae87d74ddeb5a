"""Texts of options, as the pipeline takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archc.diagnostics import UsageError

if TYPE_CHECKING:
    from archc.builds.options import WeightOptions

BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def parse_settings(texts: Sequence[str] | None) -> dict[str, str]:
    """`--set NAME=VALUE` by name. Raises UsageError: not of this form, or a name twice."""
    return dict(_pairs("--set", "NAME=VALUE", texts))


def parse_outputs(text: str | None) -> tuple[str, ...]:
    """The paths of `--outputs a,b`. Raises UsageError: one is empty."""
    paths = tuple(path.strip() for path in (text or "").split(","))
    if text is not None and not all(paths):
        raise UsageError(f"--outputs takes paths with commas between them, not '{text}'", code="bad-option")
    return paths if text is not None else ()


def weight_options(
    file: Path | None, seed: int | None, ignore: Sequence[str] | None, rename: Sequence[str] | None
) -> WeightOptions:
    """The options about weights. Raises UsageError: `--rename` is not of its form, or an expression comes twice."""
    from archc.builds.options import WeightOptions

    return WeightOptions(file, seed, tuple(ignore or ()), _pairs("--rename", "REGEX=TEXT", rename))


def hashed(options: WeightOptions) -> WeightOptions:
    """The same, with a thread that hashes the file while a command still imports what it needs."""
    if options.hashed:
        options.hashed.begin()
    return options


def parse_arguments(texts: Sequence[str] | None) -> dict[str, object]:
    """`--arg NAME=VALUE` by name; a value is a scalar of YAML 1.2, or a text in quotes. Raises UsageError."""
    from archc.spec.yaml.scalars import resolve

    values: dict[str, object] = {}
    for name, text in _pairs("--arg", "NAME=VALUE", texts):
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        try:
            values[name] = text[1:-1] if quoted else resolve(text)
        except OverflowError as error:
            raise UsageError(f"--arg {name}={text}: the number {error}", code="bad-option") from None
    return values


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Has NumPy, if it is imported inside, start no threads for products of matrices, of which a command makes none.

    They would spin for a tenth of a second on the processor that hashes the weights.
    """
    before = os.environ.get(BLAS_THREADS)
    os.environ.setdefault(BLAS_THREADS, "1")
    try:
        yield
    finally:
        if before is None:
            del os.environ[BLAS_THREADS]


def _pairs(option: str, form: str, texts: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    values: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} takes {form}, not '{text}'", code="bad-option")
        if name in values:
            message = f"{option} is given twice for '{name}': '{values[name]}' and '{value}'"
            raise UsageError(message, code="bad-option", help="keep the one that is meant")
        values[name] = value
    return tuple(values.items())
