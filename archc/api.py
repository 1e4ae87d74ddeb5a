"""The Python API: from a target to a graph, a module, an artefact or a report.

Keywords that a function does not have itself are parameters of the spec (`num_classes=10`). Where a parameter has the
name of another keyword, `parameters={"seed": 3}` gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from archc.builds.compilation import compile_target
from archc.builds.loading import load
from archc.builds.options import WeightOptions
from archc.builds.targets import find_target
from archc.diagnostics import UsageError
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from torch import nn

    from archc.verification import Report

WeightSource = str | Path | Mapping[str, object] | None
Parameters = Mapping[str, object] | None


def compile(target: str | Path, *, parameters: Parameters = None, **keywords: object) -> Graph:
    """The graph of a spec, a build or a bundled spec, with these values of the spec's parameters.

    A value is a number, a boolean, a word, a pair of whole numbers, or None, which is a spec's `none`.
    Raises: SpecError: with everything that is wrong with the spec; UsageError: there is no such target or parameter.
    """
    return compile_target(target, _settings(parameters, keywords))


def build(
    target: str | Path,
    weights: WeightSource = None,
    seed: int | None = None,
    *,
    ignore: str | Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    parameters: Parameters = None,
    **keywords: object,
) -> nn.Module:
    """The PyTorch module of a target, in training mode. Its memory is its own.

    `weights` is a file (.safetensors, .pt, .pth) or a `state_dict`; without it parameters are initialised as the spec
    says, from `seed` (0 by default), and those of a build are its own. A tensor's numbers depend on the seed and on its
    path alone. Keys of `weights` that match a glob of `ignore` are skipped, and parameters that match one and are left
    without a tensor are initialised; `rename` maps regular expressions at the beginning of a key to what replaces them.
    Raises: SpecError; BuildError: the weights do not fit, or cannot be read; UsageError: a seed or parameters for a
    build, whose weights are fixed, or a glob that matches nothing.
    """
    loaded = load(find_target(target), _weights(weights, seed, ignore, rename), _settings(parameters, keywords))
    module = loaded.network.module()
    loaded.confirm()
    return module


def export(
    target: str | Path,
    path: str | Path,
    *,
    weights: WeightSource = None,
    seed: int | None = None,
    ignore: str | Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    verify: bool = True,
    allow_inconclusive: bool = False,
    parameters: Parameters = None,
    **keywords: object,
) -> Report | None:
    """Write an artefact, in the format of the path's suffix, and prove it equal to the PyTorch module before it is
    delivered.

    `weights`, `seed`, `ignore` and `rename` are those of `build`. Keywords that are options of the format, as
    `archc export --help` lists them, are taken as such, for example `opset=20`; the others are parameters of the spec.
    The report tells, for each way of running the file and each output, the error against PyTorch in float64 and the
    bound that it is held to; `report.verdict` sums it up. It is None without verification.
    Raises: SpecError; BuildError; ExportError: the opset or path; UsageError: there is no such format, or it does not
    have an option; VerificationFailed or Inconclusive (unless allowed): nothing is delivered.
    """
    from archc.builds.delivery import deliver
    from archc.exporting import all_options, exporter_for, options_for

    exporter = exporter_for(Path(path))
    asked = {name: value for name, value in keywords.items() if name in all_options()}
    (options,) = options_for([exporter], asked)
    settings = _settings(parameters, {name: value for name, value in keywords.items() if name not in asked})
    loaded = load(find_target(target), _weights(weights, seed, ignore, rename), settings)
    return deliver(
        loaded.network, exporter, Path(path), options,
        verify=verify, allow_inconclusive=allow_inconclusive, confirm=loaded.confirm,
    ).report  # fmt: skip


def verify(
    artefact: str | Path,
    against: str | Path | None = None,
    *,
    weights: WeightSource = None,
    seed: int | None = None,
    ignore: str | Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    witnesses: str | Iterable[str] = (),
    parameters: Parameters = None,
    **keywords: object,
) -> Report:
    """Compare an artefact with the PyTorch module of a target (by default the build that it lies in), or with another
    artefact.

    `witnesses` names further ways to run it, such as `onnx-reference`. Returns the report, whatever its verdict; see
    `export`.
    Raises: SpecError; BuildError: it is not the file that was built; ExportError: it cannot be read; UsageError: there
    is nothing to compare it with; MissingDependency: a witness is not installed.
    """
    from archc.builds.proof import ProofOptions, verify_artefact

    proof = verify_artefact(
        Path(artefact),
        None if against is None else str(against),
        _weights(weights, seed, ignore, rename),
        _settings(parameters, keywords),
        ProofOptions(_names(witnesses)),
        lambda message: None,
    )
    return proof.reports[0]


def _weights(
    weights: WeightSource, seed: int | None, ignore: str | Iterable[str], rename: Mapping[str, str] | None
) -> WeightOptions:
    pairs = tuple((rename or {}).items())
    if isinstance(weights, Mapping):
        return WeightOptions(None, seed, _names(ignore), pairs, weights)
    return WeightOptions(None if weights is None else Path(weights), seed, _names(ignore), pairs)


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    """Several names, or one."""
    return (given,) if isinstance(given, str) else tuple(given)


def _settings(parameters: Parameters, keywords: Mapping[str, object]) -> dict[str, str]:
    """The values of a spec's parameters as texts. Raises UsageError: one is given twice, or cannot be written."""
    given = parameters or {}
    if twice := sorted(given.keys() & keywords.keys()):
        message = f"the parameter '{twice[0]}' is given twice: in parameters, and as a keyword"
        raise UsageError(message, code="bad-option")
    return {name: _setting(name, value) for name, value in {**given, **keywords}.items()}


def _setting(name: str, value: object) -> str:
    """A parameter's value as a spec writes it. Raises UsageError."""
    if isinstance(value, str):
        return value
    try:
        return f"[{', '.join(map(_scalar, value))}]" if isinstance(value, tuple | list) else _scalar(value)
    except (TypeError, ValueError, OverflowError) as error:
        help = "a parameter is a number, a boolean, a word, a pair of whole numbers, or None"
        raise UsageError(f"the parameter '{name}' cannot be given: {error}", code="invalid-value", help=help) from None


def _scalar(value: object) -> str:
    """A number or constant as a spec writes it. Raises TypeError, ValueError, OverflowError: there is no such text."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case Integral():
            return str(int(value))
        case Real():
            return repr(float(value))
    raise TypeError(f"a {type(value).__name__} has no text in a spec")
