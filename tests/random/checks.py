"""What every random network goes through, and what a sample of them goes through besides."""

from __future__ import annotations

import importlib
import io
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import onnx
import torch

from archc.compilation import compile_spec
from archc.diagnostics import ArchcError, ExportError, Source, SpecError
from archc.exporting import ExportOptions, Runner, exporters
from archc.ir.graph import Graph
from archc.ir.printer import fingerprint, print_graph
from archc.network import Network
from archc.spec.loading import parse_text, resolved_text
from archc.verify.check import Verifier
from archc.verify.images import images
from archc.verify.reference import run_module
from archc.verify.report import Comparison, Report, Verdict
from archc.verify.statistics import compare
from archc.weights import InitializedWeights
from tests.exporters.onnx_cases import evaluator, session, with_random_weights, written

Array = np.ndarray


@dataclass
class Findings:
    """What became of one network: a verdict for each witness, and why those are inconclusive that are."""

    graph: Graph
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    causes: list[str] = field(default_factory=list)
    largest: dict[str, float] = field(default_factory=dict)  # error in units of its bound, by witness

    def record(self, witness: str, report: Report) -> None:
        """Note a report's verdict. Raises AssertionError: it failed."""
        rows = [row for row in report.comparisons if row.verdict is not Verdict.PASSED]
        told = [f"{row.runner}, {row.output}: {row.reason} ({row.rms_error:.3g}, {row.bound:.3g})" for row in rows]
        told += [*report.differences, *([str(report.divergence)] if report.divergence else [])]
        assert report.verdict is not Verdict.FAILED, "\n".join([f"{witness} failed", *told])
        self.verdicts[witness] = report.verdict
        self.largest[witness] = max(row.rms_error / row.bound if row.bound else 0.0 for row in report.comparisons)
        self.causes += sorted({_cause(row) for row in rows})


def _cause(row: Comparison) -> str:
    if row.input_dependence == 0.0:
        return "the output is the same for every input"
    return row.reason


def compiled(text: str) -> Graph:
    """The graph of a spec. Raises SpecError."""
    return compile_spec(parse_text(Source("random.yaml", text), Path()), {})


def check(text: str) -> Findings:
    """Everything that each network goes through; samples are chosen by the spec's own text.

    Raises AssertionError: something about the network is not as it has to be.
    """
    graph = compiled(text)
    network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    findings = Findings(graph)
    check_resolved_text(text, graph)
    check_renaming(text, graph)
    check_batches(graph)
    check_dynamic_size(text, graph)
    data = written(network)
    check_model(data)
    check_static_batch(data)
    verifier = Verifier(network)
    findings.record("archc", _verify(verifier, "onnx", data, ExportOptions()))
    if _sampled(text, 3):
        unfolded = ExportOptions(fold_batch_norm=False)
        findings.record("without folding", _verify(verifier, "onnx", written(network, fold_batch_norm=False), unfolded))
    if _sampled(text, 10):
        findings.record("onnx.reference", second_evaluator(graph))
    if _sampled(text, 40):
        for name in ("torchscript", "pt2"):
            findings.record(name, _verify(verifier, name, _written_by(name, network), ExportOptions()))
    if _sampled(text, 60):
        findings.record("torch.onnx", second_emitter(graph))
    return findings


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
    renamed = compiled(re.sub(r"\b(net|item|group|block|value|tap)_(\d+)\b", r"other_\1_\2", text))
    assert structure(renamed) == structure(graph)


def structure(graph: Graph) -> list[Any]:
    """The graph without names: values are numbered."""
    numbers = {value.name: number for number, value in enumerate([graph.input, *(n.output for n in graph.nodes)])}
    nodes = [
        (
            node.operator,
            [numbers[value.name] for value in node.inputs],
            node.output.type,
            [(p.path.rpartition(".")[2], p.shape, p.initializer, p.dtype, p.buffer) for p in node.parameters],
        )
        for node in graph.nodes
    ]
    return [graph.input.type, nodes, [(numbers[o.value.name], o.training_only) for o in graph.outputs]]


def check_batches(graph: Graph) -> None:
    """A batch gives what its images give one by one, up to float64's rounding."""
    module = with_random_weights(graph).inference_module().double()
    x = _random_images(graph, 3)
    together = run_module(module, x)
    for index in range(len(x)):
        for batch, single in zip(together, run_module(module, x[index : index + 1]), strict=True):
            np.testing.assert_allclose(single[0], batch[index], rtol=1e-9, atol=1e-9 * _size(batch))


def check_dynamic_size(text: str, graph: Graph) -> None:
    """With dynamic height and width the network, where it allows them, gives the same at the static size.

    Raises AssertionError: a refusal has no position, or names or numbers differ.
    """
    try:
        dynamic = compiled(with_dynamic_size(text))
    except SpecError as error:
        check_located(error)
        return
    fixed, free = with_random_weights(graph), with_random_weights(dynamic)
    try:
        data = written(free)
    except ExportError as error:
        check_located(error)
        return
    assert [(p.path, p.shape) for p in dynamic.parameters()] == [(p.path, p.shape) for p in graph.parameters()]
    x = _random_images(graph, 2).astype(np.float32)
    for static, sized in zip(_run(written(fixed), x), _run(data, x), strict=True):
        np.testing.assert_allclose(sized, static, rtol=1e-4, atol=1e-4 * _size(static))


def check_located(error: ArchcError) -> None:
    """Everything that a refusal tells has a code, words and a place in the spec."""
    assert error.diagnostics
    assert all(problem.code and problem.message and problem.span for problem in error.diagnostics), error


def with_dynamic_size(text: str) -> str:
    """The spec with a range around its height and one around its width."""
    size = r"\b(height|width): (\d+)\b"
    return re.sub(size, lambda m: f"{m[1]}: {{min: {max(1, int(m[2]) - 3)}, opt: {m[2]}, max: {int(m[2]) + 4}}}", text)


def check_model(data: bytes) -> None:
    """onnx's checker takes the model, and its strict shape inference finds the shapes that archc wrote."""
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    told = _shapes(model)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = _shapes(onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True))
    assert {name: _as_told(shape, told[name]) for name, shape in inferred.items()} == told


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int | str, ...]]:
    values = [*model.graph.value_info, *model.graph.output]
    return {v.name: tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}


def _as_told(inferred: Sequence[int | str], told: Sequence[int | str]) -> tuple[int | str, ...]:
    """The inferred shape, with the names that archc gives to sizes of which onnx only knows that they are dynamic."""
    pairs = zip(inferred, told, strict=True)
    return tuple(t if not isinstance(t, int) and (i == 0 or "unk__" in str(i)) else i for i, t in pairs)


def check_static_batch(data: bytes) -> None:
    """With its batch fixed the file gives the same."""
    model = onnx.load_from_string(data)
    shape = model.graph.input[0].type.tensor_type.shape
    x = np.random.default_rng(7).standard_normal([2, *(d.dim_value for d in shape.dim[1:])]).astype(np.float32)
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    for fixed, free in zip(_run(model.SerializeToString(), x), _run(data, x), strict=True):
        np.testing.assert_allclose(fixed, free, rtol=1e-4, atol=1e-4 * _size(free))


def second_evaluator(graph: Graph) -> Report:
    """onnx.reference against float64."""
    network = _twin(graph)
    run = evaluator(onnx.load_from_string(written(network)))
    return _compared(network, Runner("onnx.reference", lambda x: [np.asarray(y) for y in run.run(None, {"input": x})]))


def second_emitter(graph: Graph) -> Report:
    """torch.onnx's own export of the same module, run by ONNX Runtime, against float64."""
    network = _twin(graph)
    example = torch.from_numpy(images(network.image_shape(), 2))
    program = torch.onnx.export(
        network.inference_module(), (example,), dynamo=True, optimize=False, verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
    )  # fmt: skip
    assert program is not None
    data = program.model_proto.SerializeToString()
    return _compared(network, Runner("torch.onnx", lambda x: _run(data, x)))


def _compared(network: Network, runner: Runner) -> Report:
    x = images(network.image_shape())
    module = network.inference_module()
    single, actual = run_module(module, x), runner.run(x)
    exact = run_module(module.double(), x.astype(np.float64))
    names = [output.name for output in network.inference.outputs]
    rows = zip(names, actual, exact, single, strict=True)
    return Report(runner.name, True, tuple(compare(runner.name, name, [a], [e], [s]) for name, a, e, s in rows))


def _twin(graph: Graph) -> Network:
    twin = importlib.import_module("archc.verify.twin")
    network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    return network.with_weights(twin.calibrated_weights(graph, images(network.image_shape())))


def _verify(verifier: Verifier, format: str, data: bytes, options: ExportOptions) -> Report:
    exporter = exporters()[format]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"random{exporter.suffix}"
        path.write_bytes(data)
        return verifier.verify(path.name, exporter.open(path), options)


def _written_by(format: str, network: Network) -> bytes:
    file = io.BytesIO()
    exporters()[format].write(network, file, ExportOptions())
    return file.getvalue()


def _run(data: bytes, x: Array) -> list[Array]:
    runtime = session(data, optimised=False)
    return [np.asarray(y) for y in runtime.run(None, {runtime.get_inputs()[0].name: x})]


def _random_images(graph: Graph, count: int) -> Array:
    shape = [size for size in graph.input.type.shape[1:] if isinstance(size, int)]
    return np.random.default_rng(7).standard_normal([count, *shape])


def _size(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _sampled(text: str, one_in: int) -> bool:
    return crc32(f"{one_in} {text}".encode()) % one_in == 0
