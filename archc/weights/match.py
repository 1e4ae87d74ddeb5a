"""Holds a file's tensors to a network's parameters: names, shapes and dtypes, or an error that lists all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from archc.diagnostics import BuildError, Diagnostic, Note, UsageError, nearest
from archc.diagnostics.codes import Code
from archc.ir.graph import Parameter
from archc.ir.initializers import Values
from archc.weights.convert import converted
from archc.weights.initialize import InitializedWeights, computed
from archc.weights.lazy import Array, LazyWeights, Weights, shape_and_dtype
from archc.weights.nearest import NearestKey
from archc.weights.wrappers import unwrapped

SHOWN = 10
# Absent from checkpoints older than PyTorch 0.4.1, and without effect on inference.
COUNTER = "num_batches_tracked"


class MatchedWeights(LazyWeights):
    """Another source's tensors under the parameters' names, converted to the parameters' dtypes when read.

    Arrays of a plain dict that need no conversion are passed on, not copied. `initialised` names the parameters whose
    tensors were ignored, and which are drawn instead; `unused` are keys of tensors that the network left out.
    """

    def __init__(
        self,
        weights: Weights,
        parameters: Mapping[str, Parameter],
        keys: Mapping[str, str],
        drawn: InitializedWeights,
        unused: Sequence[str] = (),
    ) -> None:
        self.source = _source(weights)
        self.initialised = tuple(name for name in drawn if not _follows(parameters[name]))
        self.unused = tuple(unused)
        self._weights, self._parameters, self._keys, self._drawn = weights, parameters, keys, drawn

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self._parameters[key].shape

    def dtype(self, key: str) -> np.dtype[Any]:
        """Element type of the parameter."""
        return np.dtype(self._parameters[key].dtype)

    def __getitem__(self, key: str) -> Array:
        if key in self._drawn:
            return self._drawn[key]
        if key not in self._keys:
            return np.zeros(self.shape(key), self.dtype(key))
        return converted(self._weights[self._keys[key]], self.dtype(key), self._keys[key], self.source)

    def origin(self, key: str) -> dict[str, object]:
        """What decides a tensor: the key of the given weights, or what it is drawn from; nothing, where it is zero."""
        if key in self._drawn:
            return self._drawn.origin(key)
        return {"key": self._keys[key]} if key in self._keys else {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)


def match(
    weights: Weights,
    parameters: Iterable[Parameter],
    *,
    ignore: Sequence[str] = (),
    rename: Sequence[tuple[str, str]] = (),
    seed: int = 0,
    left_out: frozenset[str] = frozenset(),
) -> MatchedWeights:
    """The weights of these parameters, checked by shape and kind (floating point or integer), none read yet.

    `rename` pairs (pattern, replacement) are applied to the file's keys in order. A pattern is a regular
    expression that is matched at the beginning of a key, so a prefix is one too; the replacement may use its
    groups (`\\1`). Keys of the file that match an `ignore` glob, before renaming, count as if they were not there; a
    parameter that matches one and has no tensor is drawn from `seed`. Keys of parameters that a network has `left_out`
    may be there. A missing `num_batches_tracked` is zero, and what follows from the spec need not be there.
    Raises: BuildError: all missing, unexpected, mis-shaped and wrongly typed tensors, with the nearest keys; or
    constants that are not those of the spec, which alone are read;
    UsageError: an invalid pattern, or a glob that matches nothing.
    """
    wanted = {parameter.path: parameter for parameter in parameters}
    weights = unwrapped(weights, wanted)
    _check_globs(ignore, weights, wanted)
    keys = _renamed(weights, [key for key in weights if not _matches(key, ignore)], rename)
    unused = [key for name, key in keys.items() if name in left_out]
    left_over = {key: name for name, key in keys.items() if name not in wanted and name not in left_out}
    absent = [name for name in wanted if name not in keys]
    given = [name for name in absent if not _matches(name, ignore) and not _follows(wanted[name])]
    missing = [name for name in given if name.rpartition(".")[2] != COUNTER]
    problems = [
        *_missing(missing, left_over, wanted, weights),
        *_unexpected(left_over, missing, wanted, weights),
        *_unfit(keys, wanted, weights),
    ]
    if problems:
        raise BuildError(problems)
    _check_constants(keys, wanted, weights)
    drawn = InitializedWeights([wanted[name] for name in absent if name not in given], seed)
    return MatchedWeights(weights, wanted, keys, drawn, unused)


def _follows(parameter: Parameter) -> bool:
    """True for a tensor whose values follow from the spec."""
    return isinstance(parameter.initializer, Values)


def _matches(key: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(key, glob) for glob in globs)


def _check_globs(ignore: Sequence[str], weights: Weights, wanted: Mapping[str, Parameter]) -> None:
    """Raise UsageError for a glob that matches no key of the file and no parameter."""
    keys = dict.fromkeys([*weights, *wanted])
    for glob in ignore:
        if not any(fnmatchcase(key, glob) for key in keys):
            message = f"nothing in {_source(weights)} or in the network matches '{glob}', which is to be ignored"
            near = _nearest_to_glob(glob, keys)
            raise UsageError(message, code="unused-glob", help=f"the nearest key is '{near}'" if near else None)


def _nearest_to_glob(glob: str, keys: Iterable[str]) -> str | None:
    """The first key under the path, or part of one, that is most like the glob without its last star."""
    by_path: dict[str, str] = {}
    for key in keys:
        parts = key.split(".")
        for end in range(1, len(parts) + 1):
            by_path.setdefault(".".join(parts[:end]), key)
    near = nearest(glob.rstrip("*?."), by_path)
    return by_path[near] if near else None


def _source(weights: Weights) -> str:
    return weights.source if isinstance(weights, LazyWeights) else LazyWeights.source


def _renamed(weights: Weights, considered: Sequence[str], rename: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The file's key of each name. Raises UsageError: an invalid pattern; BuildError: two keys of one name."""
    try:
        names = {key: _rename(key, rename) for key in considered}
    except (re.error, IndexError) as error:
        raise UsageError(f"a pattern of rename is not valid: {error}", code="invalid-rename") from error
    keys: dict[str, str] = {}
    clashes = []
    for key, name in names.items():
        if keys.setdefault(name, key) != key:
            clashes.append(f"{keys[name]} and {key} both become {name}")
    if clashes:
        message = f"rename gives tensors of {_source(weights)} the same name"
        raise BuildError(message, code="ambiguous-weights", notes=_notes(clashes))
    return keys


def _rename(key: str, rename: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in rename:
        if found := re.match(pattern, key):
            key = found.expand(replacement) + key[found.end() :]
    return key


def _missing(
    missing: Sequence[str],
    left_over: Mapping[str, str],
    wanted: Mapping[str, Parameter],
    weights: Weights,
) -> Iterator[Diagnostic]:
    if not missing:
        return
    nearest = NearestKey((name, shape_and_dtype(weights, key)[0]) for key, name in left_over.items())
    lines = [
        f"{name} {list(wanted[name].shape)}{_hint(nearest(name, wanted[name].shape), 'there is')}"
        for name in missing[:SHOWN]
    ]
    message = f"tensors missing from {_source(weights)}: {len(missing)} of the network's {len(wanted)}"
    yield Diagnostic("missing-weights", message, notes=_notes(lines, len(missing)))


def _unexpected(
    left_over: Mapping[str, str],
    missing: Sequence[str],
    wanted: Mapping[str, Parameter],
    weights: Weights,
) -> Iterator[Diagnostic]:
    if not left_over:
        return
    nearest = NearestKey((name, wanted[name].shape) for name in missing)
    lines = []
    for key, name in list(left_over.items())[:SHOWN]:
        shape, _ = shape_and_dtype(weights, key)
        renamed = f" (renamed {name})" if name != key else ""
        lines.append(f"{key}{renamed} {list(shape)}{_hint(nearest(name, shape), 'the network has')}")
    message = f"tensors of {_source(weights)} that the network does not have: {len(left_over)}"
    yield Diagnostic("unexpected-weights", message, notes=_notes(lines, len(left_over)))


def _unfit(keys: Mapping[str, str], wanted: Mapping[str, Parameter], weights: Weights) -> Iterator[Diagnostic]:
    shapes, kinds = [], []
    for name, parameter in wanted.items():
        if name not in keys:
            continue
        shape, dtype = shape_and_dtype(weights, keys[name])
        if shape != parameter.shape:
            shapes.append(f"{name} is {list(shape)}, and the network's is {list(parameter.shape)}")
        if dtype.kind != np.dtype(parameter.dtype).kind:
            kinds.append(f"{name} is {dtype.name}, and the network's is {parameter.dtype}")
    found: tuple[tuple[Code, str, list[str]], ...] = (
        ("mismatched-shapes", "shape", shapes),
        ("mismatched-dtypes", "dtype", kinds),
    )
    for code, what, lines in found:
        if lines:
            message = f"tensors of {_source(weights)} with another {what} than the network's: {len(lines)}"
            yield Diagnostic(code, message, notes=_notes(lines))


def _check_constants(keys: Mapping[str, str], wanted: Mapping[str, Parameter], weights: Weights) -> None:
    """Raise BuildError for constants of the file that are not what the spec computes.

    Half precision rounds by 2^-9 of a value at most, in bfloat16; what other fields compute is further off.
    """
    lines = []
    for name, key in keys.items():
        expected = computed(wanted[name]) if name in wanted else None
        if expected is not None:
            found = converted(weights[key], expected.dtype, key, _source(weights))
            allowed = 0.0 if expected.dtype.kind == "i" else 2.0**-8
            wrong = ~(np.abs(found - expected) <= allowed * np.abs(expected))  # NaN is wrong too
            if wrong.any():
                place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
                lines.append(
                    f"{name}[{', '.join(map(str, place))}] is {found[place]!s}, and the spec's is {expected[place]!s}"
                )
    if lines:
        message = f"constants of {_source(weights)} that are not those of the network: {len(lines)}"
        raise BuildError(message, code="mismatched-constants", notes=_notes(lines))


def _hint(nearest: str | None, words: str) -> str:
    return f" ({words} {nearest})" if nearest else ""


def _notes(lines: Sequence[str], total: int | None = None) -> tuple[Note, ...]:
    """The first ten lines, and how many more there are."""
    rest = (len(lines) if total is None else total) - SHOWN
    more = (Note(f"and {rest} more"),) if rest > 0 else ()
    return (*(Note(line) for line in lines[:SHOWN]), *more)
