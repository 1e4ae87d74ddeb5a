"""The Python API: from a target to a graph, a module, an artefact or a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archc.builds.compilation import compile_target
from archc.builds.loading import load
from archc.builds.options import WeightOptions
from archc.builds.targets import find_target
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from torch import nn

    from archc.verification import Report

WeightSource = str | Path | Mapping[str, object] | None


def compile(target: str | Path, **parameters: object) -> Graph:
    """The graph of a spec, a build or a bundled spec, with these values of the spec's parameters.

    Raises: SpecError: with everything that is wrong with the spec; UsageError: there is no such target.
    """
    return compile_target(target, _settings(parameters))


def build(
    target: str | Path,
    weights: WeightSource = None,
    seed: int | None = None,
    *,
    ignore: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    **parameters: object,
) -> nn.Module:
    """The PyTorch module of a target, in training mode. Its memory is its own.

    `weights` is a file (.safetensors, .pt, .pth) or a `state_dict`; without it parameters are initialised as the spec
    says, from `seed` (0 by default), and those of a build are its own. A tensor's numbers depend on the seed and on its
    path alone. Keys of `weights` that match a glob of `ignore` are skipped, and parameters that match one and are left
    without a tensor are initialised; `rename` maps regular expressions at the beginning of a key to what replaces them.
    Raises: SpecError; BuildError: the weights do not fit, or cannot be read; UsageError: a seed or parameters for a
    build, whose weights are fixed, or a glob that matches nothing.
    """
    loaded = load(find_target(target), _weights(weights, seed, ignore, rename), _settings(parameters))
    module = loaded.network.module()
    loaded.confirm()
    return module


def export(
    target: str | Path,
    path: str | Path,
    *,
    weights: WeightSource = None,
    seed: int | None = None,
    ignore: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    opset: int | None = None,
    fold_batch_norm: bool = True,
    external_data: bool = False,
    verify: bool = True,
    allow_inconclusive: bool = False,
    **parameters: object,
) -> Report | None:
    """Write an artefact, in the format of the path's suffix, and prove it equal to the PyTorch module before it is
    delivered.

    `weights`, `seed`, `ignore` and `rename` are those of `build`. Three options are for ONNX alone: `opset` is the one
    that the file has (None: 18), or there is an error; `fold_batch_norm` computes batch norms into the convolutions
    before them, which changes no output by more than rounding; `external_data` puts the weights into a file beside the
    artefact, where those above 1.5 GiB always go.
    The report tells, for each way of running the file and each output, the error against PyTorch in float64 and the
    bound that it is held to; `report.verdict` sums it up. It is None without verification.
    Raises: SpecError; BuildError; ExportError: the opset or path; UsageError: there is no such format, or it does not
    have an option; VerificationFailed or Inconclusive (unless allowed): nothing is delivered.
    """
    from archc.builds.delivery import deliver
    from archc.exporting import ExportOptions, check_options, exporter_for

    exporter, options = exporter_for(Path(path)), ExportOptions(opset, fold_batch_norm, external_data)
    check_options(options, [exporter])
    loaded = load(find_target(target), _weights(weights, seed, ignore, rename), _settings(parameters))
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
    ignore: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    witnesses: Sequence[str] = (),
    **parameters: object,
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
        _settings(parameters),
        ProofOptions(tuple(witnesses)),
        lambda message: None,
    )
    return proof.reports[0]


def _weights(
    weights: WeightSource, seed: int | None, ignore: Sequence[str], rename: Mapping[str, str] | None
) -> WeightOptions:
    globs = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    pairs = tuple((rename or {}).items())
    if isinstance(weights, Mapping):
        return WeightOptions(None, seed, globs, pairs, weights)
    return WeightOptions(None if weights is None else Path(weights), seed, globs, pairs)


def _settings(parameters: Mapping[str, object]) -> dict[str, str]:
    return {name: _text(value) for name, value in parameters.items()}


def _text(value: object) -> str:
    """A parameter's value as `--set` would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)
