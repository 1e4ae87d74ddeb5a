"""The Python API: from a target to a graph, a module, an artefact or a report.

Keywords that a function does not have itself are parameters of the spec (`num_classes=10`). Where a parameter has the
name of another keyword, `parameters={"seed": 3}` gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from archc.builds import arguments
from archc.builds.arguments import Parameters, WeightSource
from archc.builds.compilation import compile_target
from archc.builds.loading import load
from archc.builds.targets import find_target
from archc.diagnostics import UsageError
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from torch import nn

    from archc.builds.diffing import FileDiff
    from archc.compare import Comparison
    from archc.differences import Diff
    from archc.lifting import Lifted
    from archc.verification import Report


def compile(
    target: str | Path, *, outputs: str | Iterable[str] = (), parameters: Parameters = None, **keywords: object
) -> Graph:
    """The graph of a spec, a build or a bundled spec, with these values of the spec's parameters.

    A value is a number, a boolean, a word, a pair of whole numbers, or None, which is a spec's `none`. `outputs` are
    module paths or marks of the spec: the network is cut there, and their values are its outputs.
    Raises: SpecError: with everything that is wrong with the spec; UsageError: there is no such target or parameter.
    """
    return compile_target(
        arguments.path("target", target),
        arguments.settings(parameters, keywords),
        arguments.names("outputs", outputs),
    )


def diff(
    a: str | Path | Graph,
    b: str | Path | Graph,
    *,
    outputs: str | Iterable[str] = (),
    parameters: Parameters = None,
    **keywords: object,
) -> Diff | FileDiff:
    """What differs between two networks: targets, artefacts, or graphs that `compile` has given.

    `parameters`, keywords and `outputs` are those of `compile`, for both; compile the two for different ones. The
    result is a summary as text; its `is_equal` says whether nothing differs but the networks' own names. An artefact
    that lies in no build is compared as far as its format tells, and the result is a FileDiff.
    Raises: as `compile`; BuildError: an artefact is not the file that was built; ExportError: it cannot be read.
    """
    from archc.builds.diffing import diff_targets

    settings = arguments.settings(parameters, keywords)
    targets = [each if isinstance(each, Graph) else arguments.path("target", each) for each in (a, b)]
    return diff_targets(targets[0], targets[1], (settings, settings), arguments.names("outputs", outputs))


def build(
    target: str | Path,
    weights: WeightSource = None,
    seed: int | None = None,
    *,
    ignore: str | Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    outputs: str | Iterable[str] = (),
    parameters: Parameters = None,
    **keywords: object,
) -> nn.Module:
    """The PyTorch module of a target, in training mode. Its memory is its own.

    `weights` is a file (.safetensors, .pt, .pth) or a `state_dict`; without it parameters are initialised as the spec
    says, from `seed` (0 by default), and those of a build are its own. A tensor's numbers depend on the seed and on its
    path alone. Keys of `weights` that match a glob of `ignore` are skipped, and parameters that match one and are left
    without a tensor are initialised; `rename` maps regular expressions at the beginning of a key to what replaces them.
    With `outputs` (see `compile`), `weights` may hold what the cut network does not need.
    Raises: SpecError; BuildError: the weights do not fit, or cannot be read; UsageError: a seed or parameters for a
    build, whose weights are fixed, or a glob that matches nothing.
    """
    loaded = load(
        find_target(arguments.path("target", target), arguments.names("outputs", outputs)),
        arguments.weights(weights, seed, ignore, rename),
        arguments.settings(parameters, keywords),
    )
    module = loaded.network.module()
    loaded.confirm()
    return module


def eject(
    target: str | Path, *, outputs: str | Iterable[str] = (), parameters: Parameters = None, **keywords: object
) -> str:
    """The source of a Python file that defines the network of a target, and needs PyTorch alone.

    Its `state_dict` has the same keys in the same order, and its outputs are equal (`torch.equal`), which is tried
    before it is returned. `outputs` and parameters are those of `compile`; a number that the spec can be given is an
    argument of the network's class.
    Raises: SpecError; UsageError: there is no such target or parameter; ExportError: no source does what it does.
    """
    from archc.builds.ejecting import eject_target

    return eject_target(
        arguments.path("target", target),
        arguments.settings(parameters, keywords),
        arguments.names("outputs", outputs),
    ).text


def lift(module: nn.Module, shape: Sequence[int] | Mapping[str, Sequence[int]], **options: Any) -> Lifted:
    """The spec of a module, compared with it, for inputs of this shape (channels first, without the batch).

    `shape` is that of the only input, or a mapping from names to shapes in the order of `forward`. Options: `name` and
    `source` of the spec; `flat=True` for a spec without blocks of its own. `lift(…).text` is the spec.
    Side effect: the module's own Python runs; the module stays as it is.
    Raises: LiftError: the language has no word for something; VerificationFailed: no spec of it computes the same.
    """
    from archc.lifting import lift

    return lift(module, shape, **options)


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
    outputs: str | Iterable[str] = (),
    parameters: Parameters = None,
    **keywords: object,
) -> Report | None:
    """Write an artefact, in the format of the path's suffix, and prove it equal to the PyTorch module before it is
    delivered.

    `weights`, `seed`, `ignore`, `rename` and `outputs` are those of `build`. Keywords that are options of the format,
    as `archc export --help` lists them, are taken as such, for example `opset=20`; the others are parameters of the
    spec.
    The report tells, for each way of running the file and each output, the error against PyTorch in float64 and the
    bound that it is held to; `report.verdict` sums it up. It is None without verification.
    Raises: SpecError; BuildError; ExportError: the opset or path; UsageError: there is no such format, or it does not
    have an option; VerificationFailed or Inconclusive (unless allowed): nothing is delivered.
    """
    from archc.builds.delivery import deliver
    from archc.exporting import all_options, exporter_for, options_for

    file = arguments.path("path", path)
    proved = arguments.truth("verify", verify)
    delivered = arguments.truth("allow_inconclusive", allow_inconclusive)
    exporter = exporter_for(file)
    asked = {name: arguments.scalar(value) for name, value in keywords.items() if name in all_options()}
    (options,) = options_for([exporter], asked)
    loaded = load(
        find_target(arguments.path("target", target), arguments.names("outputs", outputs)),
        arguments.weights(weights, seed, ignore, rename),
        arguments.settings(parameters, {name: value for name, value in keywords.items() if name not in asked}),
    )
    return deliver(
        loaded.network, exporter, file, options,
        verify=proved, allow_inconclusive=delivered, confirm=loaded.confirm,
    ).report  # fmt: skip


@overload
def verify(artefact: str | Path, against: nn.Module, **keywords: Any) -> Comparison: ...


@overload
def verify(artefact: str | Path, against: str | Path | None = None, **keywords: Any) -> Report: ...


def verify(
    artefact: str | Path,
    against: str | Path | nn.Module | None = None,
    *,
    weights: WeightSource = None,
    seed: int | None = None,
    ignore: str | Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    witnesses: str | Iterable[str] = (),
    images: str | Path | None = None,
    inputs_seed: int | None = None,
    outputs: str | Iterable[str] = (),
    parameters: Parameters = None,
    **keywords: object,
) -> Report | Comparison:
    """Compare an artefact with the PyTorch module of a target (by default the build that it lies in), or with another
    artefact.

    `witnesses` names further ways to run it, such as `onnx-reference`. `images` is a `.npz` file or a folder with
    inputs of your own, on which it is compared as well; `inputs_seed` is the seed of the others. Returns the report,
    whatever its verdict; see `export`.

    Against a module of your own (an `nn.Module`) `artefact` is a spec or another target. Keys, outputs, a training step
    and drop rates are compared under drawn weights, and the result is a `Comparison`. Of the keywords only
    `inputs_seed`, `outputs` and parameters have a meaning then.
    Raises: SpecError; BuildError: it is not the file that was built; ExportError: it cannot be read; UsageError: there
    is nothing to compare it with; MissingDependency: a witness is not installed.
    """
    if not isinstance(against, str | PathLike | None):
        if weights is not None or seed is not None or ignore or rename or witnesses or images is not None:
            raise UsageError("a module is compared under drawn weights and inputs: it takes neither", code="bad-option")
        return _compared(artefact, against, inputs_seed, outputs, arguments.settings(parameters, keywords))
    from archc.builds.proof import ProofOptions, verify_artefact

    proof = verify_artefact(
        arguments.path("artefact", artefact),
        None if against is None else str(arguments.path("against", against)),
        arguments.weights(weights, seed, ignore, rename),
        arguments.settings(parameters, keywords),
        ProofOptions(
            arguments.names("witnesses", witnesses),
            images=None if images is None else arguments.path("images", images),
            inputs_seed=None if inputs_seed is None else arguments.whole("inputs_seed", inputs_seed),
        ),
        lambda message: None,
        arguments.names("outputs", outputs),
    )
    return proof.reports[0]


def _compared(
    target: str | Path, module: nn.Module, seed: int | None, outputs: str | Iterable[str], settings: Mapping[str, str]
) -> Comparison:
    """A network beside a module."""
    given = arguments.module("against", module)
    graph = compile_target(arguments.path("artefact", target), settings, arguments.names("outputs", outputs))
    from archc.compare import compare

    return compare(graph, given, seed=0 if seed is None else arguments.whole("inputs_seed", seed))
