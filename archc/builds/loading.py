"""From a target to a network: its graph, with the weights that it has or that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from archc.builds.compilation import compile_spec, left_out
from archc.builds.hashing import HashedFile
from archc.builds.manifest import INITIALISED, SPEC, WEIGHTS, Manifest, new_manifest, read_manifest, versions
from archc.builds.options import WeightOptions
from archc.builds.targets import Target, fixed_build
from archc.diagnostics import UsageError, option
from archc.ir.graph import Graph
from archc.spec.loading import load_spec, resolved_text
from archc.weights import InitializedWeights, MatchedWeights, Weights, match, open_weights
from archc.weights.identity import tensors_digest
from archc.weights.network import Network
from archc.weights.state_dict import arrays, digest

SHOWN = 5  # tensors in a notice
STATE_DICT = "a state_dict"  # what a manifest calls such weights


@dataclass(frozen=True)
class Loaded:
    """A network and where its weights come from: initialisers, `file`, a `state_dict`, or the build of `built`.

    A build's weights are hashed while they are read, unless they were checked before: then there is no `file`.
    """

    network: Network
    weights: InitializedWeights | MatchedWeights
    file: HashedFile | None = None
    state_dict: Weights | None = None
    built: Manifest | None = None

    def confirm(self) -> None:
        """Raise BuildError if a build's weights are not those that it was built with.

        It is called before anything that is made of them is handed over.
        """
        if self.built and self.file:
            self.file.confirm(self.built.files[WEIGHTS])

    @property
    def notices(self) -> list[str]:
        """What is to be told of how the weights were taken."""
        unused = self.weights.unused if isinstance(self.weights, MatchedWeights) else ()
        if not unused:
            return []
        more = f" and {len(unused) - SHOWN} more" if len(unused) > SHOWN else ""
        names = f"{', '.join(unused[:SHOWN])}{more}"
        return [f"{len(unused)} of the given tensors belong to what the outputs do not need: {names}"]

    def manifest(self) -> Manifest:
        """The manifest of a build of this network that has no files yet. It waits for a given file's SHA-256."""
        if self.built:
            origin, given, initialised = self.built.weights, self.built.files.get(WEIGHTS), self.built.initialised
        elif isinstance(self.weights, InitializedWeights):
            origin, given, initialised = INITIALISED, None, []
        else:
            given = self.file.digest() if self.file else digest(self.state_dict or {})
            origin, initialised = given if self.file else STATE_DICT, list(self.weights.initialised)
        tensors = self.built.tensors if self.built else None
        tensors = tensors or tensors_digest(self.weights, given, versions("archc", "numpy"))
        return new_manifest(self.network.graph, origin, self.network.seed, tensors, initialised)


def load_network(target: Target, weights: WeightOptions, settings: Mapping[str, str]) -> Network:
    """A target's graph with its weights, after the whole of a build's weights has been checked; see `load`."""
    loaded = load(target, weights, settings)
    loaded.confirm()
    return loaded.network


def load(target: Target, weights: WeightOptions, settings: Mapping[str, str], *, checked: bool = False) -> Loaded:
    """A target's graph with its weights: a build's own, unless others are given.

    `checked` tells that the build's files are known to be what its manifest says.
    Raises: SpecError; BuildError: the weights do not fit, or cannot be read, or the build was changed; UsageError: a
    build does not go with these options.
    """
    manifest = None
    if target.build is not None:
        _refuse_options_of_specs(target.build, weights, settings)
        manifest = read_manifest(target.build)
        if not checked:
            check_file(target.build, manifest, SPEC)
    spec = load_spec(target.spec).cut_at(target.outputs)
    graph = compile_spec(spec, settings)
    if weights.given:
        loaded = _given(graph, weights, manifest.seed if manifest else 0, left_out(spec, settings, graph))
    elif target.build is not None and manifest is not None:
        loaded = _stored(graph, target.build, manifest, checked)
    else:
        drawn = InitializedWeights(graph.parameters(), weights.seed or 0)
        loaded = Loaded(Network(graph, drawn, True, weights.seed or 0), drawn)
    write_spec = partial(resolved_text, target.spec, settings, target.outputs)
    return replace(loaded, network=replace(loaded.network, write_spec=write_spec))


def check_file(folder: Path, manifest: Manifest, name: str) -> None:
    """Raise BuildError unless a file of a build is what the manifest says."""
    HashedFile(folder / name).confirm(manifest.files.get(name))


def _refuse_options_of_specs(build: Path, weights: WeightOptions, settings: Mapping[str, str]) -> None:
    if settings:
        raise fixed_build(build, "parameters")
    if weights.seed is not None and not weights.given:
        raise fixed_build(build, "seed")


def _given(graph: Graph, weights: WeightOptions, build_seed: int, left_out: frozenset[str]) -> Loaded:
    tensors = open_weights(weights.file) if weights.file else arrays(weights.state_dict or {})
    seed = build_seed if weights.seed is None else weights.seed
    matched = match(tensors, graph.parameters(), ignore=weights.ignore, rename=weights.rename, seed=seed,
                    left_out=left_out)  # fmt: skip
    if weights.seed is not None and not matched.initialised:
        raise UsageError(
            "the weights are given, so nothing is drawn from a seed",
            code="bad-option",
            help=f"leave out {option('seed')}; it goes with {option('ignore')}, which has tensors drawn",
        )
    return Loaded(Network(graph, matched, False, seed), matched, weights.hashed, None if weights.file else tensors)


def _stored(graph: Graph, build: Path, manifest: Manifest, checked: bool) -> Loaded:
    """A build with the weights that it holds, or that its seed gives."""
    if WEIGHTS in manifest.files:
        file = None if checked else HashedFile(build / WEIGHTS)
        if file:
            file.begin()
        stored = match(open_weights(build / WEIGHTS), graph.parameters())
        return Loaded(Network(graph, stored, manifest.fresh, manifest.seed), stored, file, built=manifest)
    if manifest.fresh:
        drawn = InitializedWeights(graph.parameters(), manifest.seed)
        return Loaded(Network(graph, drawn, True, manifest.seed), drawn, built=manifest)
    raise UsageError(
        f"{build} was exported from a file of weights that it does not hold",
        code="weights-needed",
        help=f"give it again with {option('weights', 'FILE')}",
    )
