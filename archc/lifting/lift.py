"""A module of PyTorch -> a spec, proved equal to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from archc.compare import Comparison, Verdict, compare
from archc.compare.factory import foreign
from archc.diagnostics import ArchcError, LiftError, Note, Source, SpecError, UsageError, VerificationFailed
from archc.elaborate.elaborator import elaborate
from archc.ir.graph import Graph, Output
from archc.lifting.blocks import Known
from archc.lifting.decompile import spec_text
from archc.lifting.graphs import graph_of
from archc.lifting.initialisation import with_initializers
from archc.lifting.modules import NoWord
from archc.lifting.records import BATCH_SIZE, Trace
from archc.lifting.specialised import specialisations
from archc.lifting.tracing import trace
from archc.spec.loading import parse_text

MOST_TOLD = 5  # differences
Progress = Callable[[str], None]
Shape = Sequence[int]


@dataclass(frozen=True)
class Lifted:
    """The text of a spec and what it was proved by. `is_flat` tells one without blocks; `notes` are for the reader."""

    name: str
    text: str
    graph: Graph
    comparison: Comparison
    is_flat: bool
    notes: tuple[str, ...] = ()


def lift(
    module: nn.Module,
    shape: Shape | Mapping[str, Shape],
    *,
    name: str | None = None,
    source: str = "",
    known: Known | None = None,
    flat: bool = False,
    progress: Progress = lambda message: None,
) -> Lifted:
    """The spec of a module for inputs of this shape (channels first, without the batch), compared with the module.

    `known` are the arguments that modules were constructed with. Side effect: the module's Python runs.
    Raises: LiftError: the language has no word for something; VerificationFailed: no spec of it computes the same.
    """
    given = shape if isinstance(shape, Mapping) else {"input": shape}
    renamed = {name: _beside(module, name) for name in given}
    shapes = {renamed[name]: sizes for name, sizes in given.items()}
    title = spec_name(name or type(module).__name__)
    progress("tracing")
    graph, notes = traced(module, shapes, title)
    notes += [
        f"the input '{old}' is called '{new}', for a module has that name" for old, new in renamed.items() if old != new
    ]
    graph = with_initializers(graph, module.state_dict())
    failed: ArchcError | None = None
    for is_flat in [True] if flat else [False, True]:
        progress("writing the spec")
        text = spec_text(graph, source, known, flat=is_flat, foreign=True)
        try:
            spec = parse_text(Source(f"{title}.yaml", text), Path.cwd())
            found = elaborate(spec, spec.resolve({}))
        except SpecError as error:
            failed = error
            continue
        comparison = compare(found, module, progress=progress)
        if comparison.verdict in (Verdict.EQUAL, Verdict.ORDER):
            if failed is not None:
                notes.append(f"no blocks, as archc wrote them wrongly: {failed.diagnostics[0].message}")
            progress("looking for what is specialised")
            return Lifted(
                title, text, found, comparison, is_flat, (*notes, *specialisations(module, found, comparison))
            )
        notes_of = tuple(Note(difference.message) for difference in comparison.differences[:MOST_TOLD])
        message = f"the spec of {title} is not equal to the module"
        failed = VerificationFailed(message, code="verification-failed", notes=notes_of)
    assert failed is not None, "one of the two was tried"
    raise _unsaid(title, failed) if isinstance(failed, SpecError) else failed


def _unsaid(name: str, refused: SpecError) -> LiftError:
    """The error for a network whose graph is known, and of which no valid spec is found."""
    message = f"the language cannot say what {name} does: {refused.diagnostics[0].message}"
    help = "a module that is called twice, on different values beside the current one, is such a case"
    return LiftError(message, code="no-word", help=help)


def _beside(module: nn.Module, name: str) -> str:
    """The name of an input, or another where a module inside has it."""
    taken = [each for each, _ in module.named_children()]
    while name in taken:
        name += "_input" if not name.endswith("input") else "_"
    return name


def traced(module: nn.Module, shapes: Mapping[str, Shape], name: str) -> tuple[Graph, list[str]]:
    """The graph of a module in training, and what is to be said of it. Raises LiftError."""
    runs = [_run(module, shapes, training=training) for training in (True, False)]
    _refuse_unknown(runs[0])
    try:
        trained, evaluated = (graph_of(run, name) for run in runs)
    except NoWord as error:
        raise _no_word(str(error)) from None
    return _with_outputs(trained, evaluated)


def _run(module: nn.Module, shapes: Mapping[str, Shape], *, training: bool) -> Trace:
    """One run. Raises: UsageError: the module's Python fails; LiftError: it asks for values."""
    try:
        with foreign("running the module"):
            return trace(module, shapes, training=training)
    except UsageError as error:
        (problem,) = error.diagnostics
        if "meta tensor" in problem.message:
            message = "the module's Python asks for the values of a tensor"
            help = (
                "a spec is one network for all values: decide by the constructor's arguments, or compute with tensors"
            )
            raise LiftError(message, code="no-word", notes=problem.notes, help=help) from None
        sizes = " and ".join("×".join(map(str, (BATCH_SIZE, *shape))) for shape in shapes.values())
        notes = (*problem.notes, Note(f"it was run on {sizes}, the batch included"))
        raise UsageError(problem.message, code=problem.code, notes=notes) from error.__cause__


def _refuse_unknown(run: Trace) -> None:
    if run.unknown:
        notes = tuple(Note(f"{what}: in {where}") for what, where in run.unknown.items())
        first = next(iter(run.unknown))
        raise LiftError(f"the language has no word for {first}", code="no-word", notes=notes)


def _no_word(what: str) -> LiftError:
    return LiftError(f"the language has no word for {what}", code="no-word")


def _with_outputs(trained: Graph, evaluated: Graph) -> tuple[Graph, list[str]]:
    """The graph of both runs: outputs that are missing in the second exist in training only."""
    main = _kept(trained, evaluated)
    if _kinds(trained.only(main)) != _kinds(evaluated):
        raise LiftError(
            "in training the module computes its output in another way than in evaluation",
            code="no-word",
            help="a network may add outputs in training, dropout and the like, and nothing else",
        )
    outputs = tuple(output._replace(training_only=output not in main) for output in trained.outputs)
    outputs = (*(o for o in outputs if not o.training_only), *(o for o in outputs if o.training_only))
    return replace(trained, outputs=outputs), []


def _kept(trained: Graph, evaluated: Graph) -> tuple[Output, ...]:
    names = [output.name for output in trained.outputs]
    if all(output.name in names for output in evaluated.outputs):
        return tuple(trained.outputs[names.index(output.name)] for output in evaluated.outputs)
    return trained.outputs[: len(evaluated.outputs)]


def _kinds(graph: Graph) -> list[tuple[object, ...]]:
    """What is computed, in order, without what does nothing in evaluation."""
    return [(node.operator, node.output.type) for node in graph.nodes if node.operator.inference]


def spec_name(text: str) -> str:
    """A name that a spec can have."""
    name = re.sub(r"\W+", "_", text).strip("_").lower()
    return name if name[:1].isalpha() else f"network_{name}"
