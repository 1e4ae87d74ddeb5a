"""Seeds a bug into a network's export, and asks the verification what it says of the file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.shape_inference import InferenceError, infer_shapes

from archc.exporting import exporters
from archc.verification.report import Report, Verdict
from tests.campaigns.bugs.catalogue import Bug, WrongNumbers
from tests.campaigns.bugs.draft import DoesNotApply, Draft, without_names
from tests.campaigns.bugs.networks import Subject

PLACES = ("first", "middle", "last")  # of the nodes that a bug applies to
WAYS = ("foreign", "renamed", "own")  # under archc's names, under none of them, and as if archc had written the file


@dataclass(frozen=True)
class Trial:
    """A bug in one node of one network, and the verification's report of the file."""

    bug: Bug
    subject: Subject
    way: str
    place: str
    node: str
    report: Report

    @property
    def by_numbers(self) -> bool:
        """True for a node's bug under sharp weights: that stored tensors differ from the network's does not count."""
        return self.subject.weights == "twin" and not isinstance(self.bug, WrongNumbers)

    @property
    def verdict(self) -> Verdict:
        """The verdict, by the numbers alone where nothing else counts."""
        return replace(self.report, differences=()).verdict if self.by_numbers else self.report.verdict

    @property
    def noticed(self) -> bool:
        """True if the file did not pass; a node's bug must have failed."""
        if isinstance(self.bug, WrongNumbers):
            return not passing(self.verdict) or self.bug.harmless(self.report)
        return self.verdict is Verdict.FAILED

    @property
    def located(self) -> bool:
        """True if the report names the node with the bug, or whatever else is wrong; or has found nothing wrong."""
        found = self.report.divergence
        if self.verdict is not Verdict.FAILED:
            return self.noticed
        if found is not None and found.path == self.node:
            return True
        node = re.compile(rf"(?<![\w.]){re.escape(self.node)}(?![\w.])")
        if not self.by_numbers and any(map(node.search, self.report.differences)):
            return True
        return isinstance(self.bug, WrongNumbers) and self._named(self.bug)

    def _named(self, bug: WrongNumbers) -> bool:
        if bug.named is None:  # without archc's names there is no node to name
            return self.way == "renamed"
        rows = [row for row in self.report.comparisons if not passing(row.verdict)]
        told = [(f"{row.runner}, {row.output}: {row.reason}", row.batches) for row in rows]
        told += [(text, ()) for text in (*self.report.differences, str(self.report.divergence or ""))]
        return any(bug.named(text, batches) for text, batches in told)

    @property
    def ratio(self) -> float:
        """The smallest error among the ways to run the file, in units of PyTorch's own float32 error."""
        return min((row.ratio for row in self.report.comparisons), default=float("nan"))

    @property
    def margin(self) -> float:
        """The smallest error in units of the bound."""
        margins = (row.rms_error / row.bound if row.bound else float("nan") for row in self.report.comparisons)
        return min(margins, default=float("nan"))


def passing(verdict: Verdict) -> bool:
    """True for every verdict with which a file is delivered."""
    return verdict.value.startswith("passed")


def verified(subject: Subject, model: onnx.ModelProto, folded: bool, way: str = "foreign") -> Report:
    """The verification of a file with this message."""
    with tempfile.TemporaryDirectory(prefix="seeded-") as folder:
        path = Path(folder) / f"{subject.name}.onnx"
        path.write_bytes((without_names(model) if way == "renamed" else model).SerializeToString())
        onnx = exporters()["onnx"]
        artefact = onnx.open(path, onnx.asked(fold_batch_norm=folded))
        return subject.verifier.verify(path.name, artefact, own=way == "own")


def trials(
    bug: Bug, subject: Subject, places: tuple[str, ...] = PLACES, ways: tuple[str, ...] = ("foreign",)
) -> Iterator[Trial]:
    """The bug in the first, the middle and the last node that it applies to; none where it applies to no node."""
    seen = set()
    for place in places:
        found = _seed(bug, subject, place)
        if found is None or found[0] in seen:
            continue
        name, wrong, model = found
        seen.add(name)
        for way in ways:
            yield Trial(bug, subject, way, place, wrong, verified(subject, model, bug.folded, way))


def _seed(bug: Bug, subject: Subject, place: str) -> tuple[str, str, onnx.ModelProto] | None:
    """The name of a node that takes the bug, the path of the node that is then wrong, and the model."""
    if isinstance(bug, WrongNumbers) and bug.resizable and not subject.resizable:
        return None
    draft = Draft(subject.model(bug.folded), subject.origins(bug.folded))
    names = [node.name for node in draft.nodes.values() if not bug.operators or node.op_type in bug.operators]
    for name in _from(place, names):
        try:
            wrong = bug.change(draft, draft.nodes[name])
        except DoesNotApply:
            continue
        path = wrong if isinstance(wrong, str) else draft.origins.nodes[(wrong or draft.nodes[name]).name].path
        if bug.resizes:
            draft.forget_shapes()
        if _equal(draft.model, subject.correct(bug.folded)) or (bug.resizes and not _sizes_fit(draft.model)):
            draft = Draft(subject.model(bug.folded), subject.origins(bug.folded))
            continue
        return name, path, draft.model
    return None


def _equal(model: onnx.ModelProto, correct: onnx.ModelProto) -> bool:
    """True if two files differ at most in the signs of zeros, so that a bug has changed nothing."""
    tensors = [{tensor.name: tensor for tensor in each.graph.initializer} for each in (model, correct)]
    return (
        list(model.graph.node) == list(correct.graph.node)
        and list(model.graph.output) == list(correct.graph.output)
        and tensors[0].keys() == tensors[1].keys()
        and all(
            np.array_equal(numpy_helper.to_array(tensor), numpy_helper.to_array(tensors[1][name]))
            for name, tensor in tensors[0].items()
            if tensor != tensors[1][name]
        )
    )


def _from(place: str, names: list[str]) -> list[str]:
    """Names in the order in which to try them, so that the first that fits is the one in this place."""
    if place == "first":
        return names
    if place == "last":
        return names[::-1]
    middle = len(names) // 2
    return names[middle:] + names[:middle][::-1]


def _sizes_fit(model: onnx.ModelProto) -> bool:
    """Whether every node's inputs still fit each other, no value is empty, and the network's output keeps its shape.

    ONNX Runtime dies of a division by zero where a window is larger than its padded input.
    """
    graph = onnx.GraphProto(name="shapes", node=model.graph.node, input=model.graph.input, output=model.graph.output)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            kept = graph.input.add()
            kept.CopyFrom(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
        else:
            graph.initializer.add().CopyFrom(tensor)
    light = onnx.ModelProto(ir_version=model.ir_version, graph=graph, opset_import=model.opset_import)
    try:
        inferred = infer_shapes(light, check_type=True, strict_mode=True, data_prop=True)
    except InferenceError:
        return False
    sizes = [dim for value in inferred.graph.value_info for dim in value.type.tensor_type.shape.dim]
    return all(dim.dim_value > 0 for dim in sizes if dim.HasField("dim_value"))
