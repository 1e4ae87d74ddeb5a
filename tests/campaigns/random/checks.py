"""What every random network goes through, and what a sample of them goes through besides."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import onnx

from archc.builds.compilation import compile_spec
from archc.diagnostics import ArchcError, ExportError, Source, SpecError
from archc.ir.graph import Graph
from archc.ir.printer import fingerprint, print_graph
from archc.spec.loading import parse_text, resolved_text
from archc.verification.images import images
from archc.verification.reference import run_module
from archc.verification.report import Comparison, Report, Verdict
from archc.verification.rounding import rms
from archc.weights.network import Network
from tests.campaigns.random.coverage import Pair, pairs
from tests.campaigns.random.witnesses import WITNESSES, Subject, onnx_runtime
from tests.operators.cases import written


@dataclass
class Findings:
    """What became of one network: a verdict for each witness, and why those are inconclusive that are."""

    pairs: frozenset[Pair]  # operators of which one takes the other's output
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    causes: set[str] = field(default_factory=set)
    settled: bool = False  # node by node
    largest: dict[str, float] = field(default_factory=dict)  # error in units of its bound, by witness

    def record(self, witness: str, report: Report) -> None:
        """Note a report's verdict.

        Raises: AssertionError: it failed. Settled: it did not because every node passed by itself.
        """
        rows = [row for row in report.comparisons if row.verdict is not Verdict.PASSED]
        told = [f"{row.runner}, {row.output}: {row.reason} ({row.rms_error:.3g}, {row.bound:.3g})" for row in rows]
        told += [*report.differences, *([str(report.divergence)] if report.divergence else [])]
        assert report.verdict is not Verdict.FAILED, "\n".join([f"{witness} failed", *told])
        self.verdicts[witness] = report.verdict
        self.largest[witness] = max(row.rms_error / row.bound if row.bound else 0.0 for row in report.comparisons)
        self.causes |= {_cause(row) for row in rows}
        if any(row.verdict is Verdict.BY_PARTS or row.noisy for row in report.comparisons):
            self.settled = True
            raise Settled


class Settled(Exception):
    """Rounding takes this network far, so that witnesses who only see the whole cannot be asked."""


def _cause(row: Comparison) -> str:
    return row.reason if row.input_dependence else "the output is the same for every input"


def compiled(text: str) -> Graph:
    """The graph of a spec. Raises SpecError."""
    return compile_spec(parse_text(Source("random.yaml", text), Path()), {})


def check(text: str) -> Findings:
    """Everything that each network goes through; samples are chosen by the spec's own text.

    Raises AssertionError: something about the network is not as it has to be.
    """
    graph = compiled(text)
    check_resolved_text(text, graph)
    check_renaming(text, graph)
    subject, findings = Subject(graph), Findings(pairs(graph))
    check_single_images(subject.twin)
    check_model(written(subject.network))
    with suppress(Settled):
        ask_witnesses(text, subject, findings)
    return findings


def ask_witnesses(text: str, subject: Subject, findings: Findings) -> None:
    """Have the network computed in every way; rarer witnesses see a sample. Raises Settled."""
    findings.record("ONNX", subject.verified("onnx"))
    if _sampled(f"not folded {text}", 3):
        findings.record("ONNX, not folded", subject.verified("onnx", fold_batch_norm=False))
    if _sampled(f"PyTorch {text}", 20):
        findings.record("TorchScript", subject.verified("torchscript"))
        findings.record(".pt2", subject.verified("pt2"))
    for witness in WITNESSES:
        if _sampled(f"{witness.name} {text}", witness.one_in) and witness.knows(subject.network.graph):
            findings.record(witness.name, subject.compared(witness.name, witness.prepare(subject.twin)))
    free = with_dynamic_size(text, subject.twin)
    if free is not None:
        findings.record("dynamic sizes", subject.compared("dynamic sizes", onnx_runtime(free)))


def _sampled(what: str, one_in: int) -> bool:
    return crc32(what.encode()) % one_in == 0


def check_resolved_text(text: str, graph: Graph) -> None:
    """Spec -> resolved spec -> graph is stable."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.yaml"
        path.write_text(text, encoding="utf-8")
        resolved = resolved_text(path, {})
        path.write_text(resolved, encoding="utf-8")
        assert resolved_text(path, {}) == resolved
    again = compiled(resolved)
    assert print_graph(again) == print_graph(graph)
    assert fingerprint(again) == fingerprint(graph)


def check_renaming(text: str, graph: Graph) -> None:
    """Other names for the network, its items, blocks, parameters and outputs change nothing but names."""
    renamed = compiled(re.sub(r"\b(net|item|group|block|value|tap|mark)_(\d+)\b", r"other_\1_\2", text))
    assert structure(renamed) == structure(graph)


def structure(graph: Graph) -> list[Any]:
    """The graph without names: values are numbered."""
    numbers = {value.name: number for number, value in enumerate([graph.input, *(n.output for n in graph.nodes)])}
    nodes = [
        (
            node.operator,
            [numbers[value.name] for value in node.inputs],
            node.output.type,
            [
                (p.path.rpartition(".")[2].removeprefix("other_"), p.shape, p.initializer, p.dtype, p.buffer)
                for p in node.parameters
            ],
        )
        for node in graph.nodes
    ]
    return [graph.input.type, nodes, [(numbers[o.value.name], o.training_only) for o in graph.outputs]]


def check_single_images(network: Network) -> None:
    """A batch gives what its images give one by one, up to float64's rounding (2e-16, which layers multiply)."""
    module = network.inference_module().double()
    x = images(network.image_shapes()[0], 3).astype(np.float64)
    together = run_module(module, (x,))
    for index in range(len(x)):
        for batch, single in zip(together, run_module(module, (x[index : index + 1],)), strict=True):
            np.testing.assert_allclose(single[0], batch[index], rtol=1e-9, atol=1e-9 * rms(batch))


def with_dynamic_size(text: str, network: Network) -> bytes | None:
    """The ONNX file of the network with ranges for its height and width; None where it rightly allows none.

    Raises AssertionError: the refusal has no position, or the parameters are others.
    """
    size = r"\b(height|width): (\d+)\b"
    ranged = re.sub(
        size, lambda m: f"{m[1]}: {{min: {max(1, int(m[2]) - 3)}, opt: {m[2]}, max: {int(m[2]) + 4}}}", text
    )
    try:
        graph = compiled(ranged)
        data = written(Network(graph, network.weights, fresh=True))
    except (SpecError, ExportError) as error:
        check_located(error)
        return None
    assert [(p.path, p.shape) for p in graph.parameters()] == [(p.path, p.shape) for p in network.graph.parameters()]
    return data


def check_located(error: ArchcError) -> None:
    """Everything that a refusal tells has a code, words and a place in the spec."""
    assert error.diagnostics
    assert all(problem.code and problem.message and problem.span for problem in error.diagnostics), error


def check_model(data: bytes) -> None:
    """onnx's checker takes the model, and its strict shape inference finds the shapes that archc wrote."""
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    told = _shapes(model)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    assert _shapes(onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)) == told


def _shapes(model: onnx.ModelProto) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the values by name; the batch, to which shape inference gives names of its own, as 0."""
    values = [*model.graph.value_info, *model.graph.output]
    return {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
