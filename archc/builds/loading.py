"""From a target to a network: its graph, with the weights that it has or that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from archc.builds.compilation import compile_spec
from archc.builds.hashing import hash_ahead, sha256_of
from archc.builds.manifest import CHANGED, INITIALISED, SPEC, WEIGHTS, Manifest, new_manifest, read_manifest
from archc.builds.options import WeightOptions
from archc.builds.targets import Target, fixed_build
from archc.diagnostics import BuildError, UsageError, option
from archc.ir.graph import Graph
from archc.spec.loading import load_spec
from archc.weights import Array, InitializedWeights, match, open_weights
from archc.weights.network import Network


@dataclass(frozen=True)
class Loaded:
    """A network and where its weights come from; a file of weights is hashed by a thread, and both calls wait for it.

    `origin` gives what a manifest calls the weights. `confirm` raises BuildError if a build's weights are not those
    that it was built with; it is called before anything that is made of them is handed over.
    """

    network: Network
    origin: Callable[[], str]
    initialised: tuple[str, ...] = ()
    confirm: Callable[[], None] = lambda: None

    def manifest(self) -> Manifest:
        """The manifest of a build of this network that has no files yet."""
        return new_manifest(self.network.graph, self.origin(), self.network.seed, self.initialised)


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
    graph = compile_spec(load_spec(target.spec), settings)
    if weights.given:
        return _given(graph, weights, manifest.seed if manifest else 0)
    if target.build is not None and manifest is not None:
        return _stored(graph, target.build, manifest, checked)
    seed = weights.seed or 0
    return Loaded(Network(graph, InitializedWeights(graph.parameters(), seed), True, seed), _known(INITIALISED))


def check_file(folder: Path, manifest: Manifest, name: str) -> None:
    """Raise BuildError unless a file of a build is what the manifest says."""
    if sha256_of(folder / name) != manifest.files.get(name):
        raise _changed(folder / name)


def _changed(path: Path) -> BuildError:
    help = f"`archc verify {path.parent}` tells what else was changed; build the spec anew"
    return BuildError(f"{path} is {CHANGED}", code="changed-file", help=help)


def _refuse_options_of_specs(build: Path, weights: WeightOptions, settings: Mapping[str, str]) -> None:
    if settings:
        raise fixed_build(build, "parameters")
    if weights.seed is not None and not weights.given:
        raise fixed_build(build, "seed")


def _given(graph: Graph, weights: WeightOptions, build_seed: int) -> Loaded:
    origin: Callable[[], str] = _known("a state_dict")
    if weights.file is not None:
        origin = weights.digest or cache(partial(sha256_of, weights.file))
    seed = build_seed if weights.seed is None else weights.seed
    matched = match(
        _tensors(weights), graph.parameters(), ignore=weights.ignore, rename=weights.rename, seed=seed
    )  # fmt: skip
    if weights.seed is not None and not matched.initialised:
        raise UsageError(
            "the weights are given, so nothing is drawn from a seed",
            code="bad-option",
            help=f"leave out {option('seed')}; it goes with {option('ignore')}, which has tensors drawn",
        )
    return Loaded(Network(graph, matched, False, seed), origin, matched.initialised)


def _tensors(weights: WeightOptions) -> Mapping[str, Array]:
    from archc.weights.state_dict import arrays

    return arrays(weights.state_dict or {}) if weights.file is None else open_weights(weights.file)


def _stored(graph: Graph, build: Path, manifest: Manifest, checked: bool) -> Loaded:
    """A build with the weights that it holds, or that its seed gives."""
    origin = _known(manifest.weights)
    if WEIGHTS in manifest.files:
        digest = _known(manifest.files[WEIGHTS]) if checked else hash_ahead(build / WEIGHTS)
        network = Network(
            graph, match(open_weights(build / WEIGHTS), graph.parameters()), manifest.fresh, manifest.seed
        )

        def confirm() -> None:
            if digest() != manifest.files[WEIGHTS]:
                raise _changed(build / WEIGHTS)

        return Loaded(network, origin, tuple(manifest.initialised), confirm)
    if manifest.fresh:
        drawn = InitializedWeights(graph.parameters(), manifest.seed)
        return Loaded(Network(graph, drawn, True, manifest.seed), origin)
    raise UsageError(
        f"{build} was exported from a file of weights that it does not hold",
        code="weights-needed",
        help=f"give it again with {option('weights', 'FILE')}",
    )


def _known(text: str) -> Callable[[], str]:
    return lambda: text
