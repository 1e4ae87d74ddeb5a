"""The Python API: from a target to a graph, a module, an artefact or a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from archc.compilation import compile_spec, compile_target
from archc.diagnostics import UsageError
from archc.ir.graph import Graph
from archc.network import Network
from archc.pipeline import builds
from archc.pipeline.options import WeightOptions
from archc.spec.loading import load_spec
from archc.targets import Target, find_target

if TYPE_CHECKING:
    from torch import nn

    from archc.verification import Report


def compile(target: str | Path, **parameters: object) -> Graph:
    """The graph of a spec, a build or a bundled spec, with these values of the spec's parameters.

    Raises: SpecError: with everything that is wrong with the spec; UsageError: there is no such target.
    """
    return compile_target(target, {name: _text(value) for name, value in parameters.items()})


def load_network(target: Target, weights: WeightOptions, settings: Mapping[str, str]) -> Network:
    """A target's graph with its weights: a build's own, unless others are asked for.

    Raises: SpecError; BuildError: the weights do not fit, or cannot be read.
    """
    from archc.weights import InitializedWeights, match, open_weights

    graph = compile_spec(load_spec(target.spec), settings)
    parameters = list(graph.parameters())
    if weights.file is not None:
        given = match(open_weights(weights.file), parameters, ignore=weights.ignore, rename=weights.rename)
        return Network(graph, given, fresh=False)
    if target.build is not None and not settings:
        manifest = builds.read_manifest(target.build)
        stored = target.build / builds.WEIGHTS
        if builds.WEIGHTS in manifest.files:
            return Network(graph, match(open_weights(stored), parameters), manifest.fresh, manifest.seed)
        if manifest.fresh:
            return Network(graph, InitializedWeights(parameters, manifest.seed), True, manifest.seed)
        raise UsageError(
            f"{target.build} was exported from a file of weights that it does not hold",
            code="weights-needed",
            help="give it again with --weights FILE",
        )
    return Network(graph, InitializedWeights(parameters, weights.seed), True, weights.seed)


def build(
    target: str | Path,
    weights: str | Path | Mapping[str, object] | None = None,
    seed: int = 0,
    **parameters: object,
) -> nn.Module:
    """The PyTorch module of a target, in training mode.

    `weights` is a file (.safetensors, .pt, .pth) or a `state_dict`; without it parameters are initialised as the spec
    says, from `seed`. The module's memory is its own.
    Raises: SpecError; BuildError: the weights do not fit, or cannot be read.
    """
    return _network(target, weights, seed, parameters).module()


def export(
    target: str | Path,
    path: str | Path,
    *,
    weights: str | Path | Mapping[str, object] | None = None,
    seed: int = 0,
    opset: int | None = None,
    fold_batch_norm: bool = True,
    external_data: bool = False,
    verify: bool = True,
    **parameters: object,
) -> Report | None:
    """Write an artefact, in the format of the path's suffix, and prove it equal to the PyTorch module before it is
    delivered.

    Raises: SpecError; BuildError; ExportError: the format, opset or path; VerificationFailed or Inconclusive: nothing
    is delivered. Returns the report, or None without verification.
    """
    from archc.exporting import ExportOptions, exporter_for
    from archc.pipeline.delivery import deliver

    network = _network(target, weights, seed, parameters)
    options = ExportOptions(opset, fold_batch_norm, external_data)
    return deliver(network, exporter_for(Path(path)), Path(path), options, verify=verify).report


def verify(
    artefact: str | Path,
    against: str | Path,
    *,
    weights: str | Path | Mapping[str, object] | None = None,
    seed: int = 0,
    **parameters: object,
) -> Report:
    """Compare an artefact with the PyTorch module of a target.

    Returns the report, whatever its verdict. Raises: SpecError; BuildError; ExportError: the artefact cannot be read.
    """
    from archc.exporting import ExportOptions, exporter_for
    from archc.verification import verify as verify_artefact

    network = _network(against, weights, seed, parameters)
    return verify_artefact(
        network, exporter_for(Path(artefact)).open(Path(artefact)), Path(artefact).name, ExportOptions()
    )


def _network(
    target: str | Path,
    weights: str | Path | Mapping[str, object] | None,
    seed: int,
    parameters: Mapping[str, object],
) -> Network:
    settings = {name: _text(value) for name, value in parameters.items()}
    if isinstance(weights, Mapping):
        from archc.weights import match
        from archc.weights.state_dict import arrays

        graph = compile_spec(load_spec(find_target(target).spec), settings)
        return Network(graph, match(arrays(weights), graph.parameters()), fresh=False)
    file = Path(weights) if weights is not None else None
    return load_network(find_target(target), WeightOptions(file, seed), settings)


def _text(value: object) -> str:
    """A parameter's value as `--set` would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)
