"""Seeds a bug into a network's export, and asks the verification by the numbers alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from onnx.shape_inference import InferenceError, infer_shapes

from archc.exporting import exporters
from archc.verification.report import Report, Verdict
from tests.campaigns.bugs.catalogue import Bug
from tests.campaigns.bugs.draft import DoesNotApply, Draft
from tests.campaigns.bugs.networks import Subject

PLACES = ("first", "middle", "last")  # of the nodes that a bug applies to


@dataclass(frozen=True)
class Trial:
    """A bug in one node of one network, and what the verification said."""

    bug: str
    network: str
    place: str
    node: str
    report: Report

    @property
    def noticed(self) -> bool:
        """Whether the numbers show it: what differs between the stored tensors and the network's does not count."""
        return replace(self.report, differences=()).verdict is Verdict.FAILED

    @property
    def located(self) -> bool:
        """Whether the first node that diverges is the one with the bug."""
        return self.report.divergence is not None and self.report.divergence.path == self.node

    @property
    def ratio(self) -> float:
        """The smallest error among the ways to run the file, in units of PyTorch's own float32 error."""
        return min(row.ratio for row in self.report.comparisons)

    @property
    def margin(self) -> float:
        """The smallest error in units of the bound."""
        return min(row.rms_error / row.bound if row.bound else float("nan") for row in self.report.comparisons)


def verified(subject: Subject, model: onnx.ModelProto, folded: bool) -> Report:
    """The verification of a file with this message."""
    with tempfile.TemporaryDirectory(prefix="seeded-") as folder:
        path = Path(folder) / f"{subject.name}.onnx"
        path.write_bytes(model.SerializeToString())
        onnx = exporters()["onnx"]
        return subject.verifier.verify(path.name, onnx.open(path, onnx.asked(fold_batch_norm=folded)))


def trials(bug: Bug, subject: Subject, places: tuple[str, ...] = PLACES) -> Iterator[Trial]:
    """The bug in the first, the middle and the last node that it applies to; none where it applies to no node."""
    seen = set()
    for place in places:
        found = _seed(bug, subject, place)
        if found is None or found[0] in seen:
            continue
        name, wrong, model = found
        seen.add(name)
        yield Trial(bug.name, subject.name, place, wrong, verified(subject, model, bug.folded))


def _seed(bug: Bug, subject: Subject, place: str) -> tuple[str, str, onnx.ModelProto] | None:
    """The name of a node that takes the bug, the path of the node that is then wrong, and the model."""
    draft = Draft(subject.model(bug.folded), subject.origins(bug.folded))
    names = [node.name for node in draft.nodes.values() if node.op_type in bug.operators]
    for name in _from(place, names):
        try:
            wrong = bug.change(draft, draft.nodes[name])
        except DoesNotApply:
            continue
        path = draft.origins.nodes[(wrong or draft.nodes[name]).name].path
        if bug.resizes:
            draft.forget_shapes()
            if not _sizes_fit(draft.model):
                draft = Draft(subject.model(bug.folded), subject.origins(bug.folded))
                continue
        return name, path, draft.model
    return None


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
