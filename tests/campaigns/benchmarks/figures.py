"""The figures that are held to a bar, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.campaigns.benchmarks.jobs import DEPTHS
from tests.campaigns.benchmarks.processes import Measurement

Measured = Mapping[str, Measurement]


@dataclass(frozen=True)
class Figure:
    """A ratio (or an amount) and its bar. `at_least` tells that larger is better."""

    name: str
    value: float
    bar: float
    at_least: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the bar is met."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def export_figures(measured: Measured) -> list[Figure]:
    """Exports as whole processes."""

    def ratio(slow: str, fast: str) -> float:
        return measured[slow].median_seconds / measured[fast].median_seconds

    return [
        Figure("export ResNet-152, times faster than torch.onnx (dynamo)", ratio("dynamo resnet152", "archc resnet152"),
               25, True),
        Figure("the same, than the older exporter", ratio("older resnet152", "archc resnet152"), 10, True),
        Figure("export ResNet-50, times faster than torch.onnx (dynamo)", ratio("dynamo resnet50", "archc resnet50"),
               18, True),
        Figure("export ResNet-152, against importing onnx and copying the weights",
               ratio("archc resnet152", "copy resnet152"), 2.5),
        Figure("peak memory of that export", measured["archc resnet152"].median_peak_bytes / 1e6, 150, unit="MB"),
        Figure("verified export of ResNet-50, times faster than dynamo's unverified one",
               ratio("dynamo resnet50", "archc verified resnet50"), 1, True),
    ]  # fmt: skip


def command_figures(measured: Measured) -> list[Figure]:
    """Commands as whole processes."""
    instant = measured["pass"].median_seconds + 0.1
    return [
        Figure(
            "archc check, against importing yaml and defining a Pydantic model",
            measured["archc check resnet50"].median_seconds / measured["yaml and pydantic"].median_seconds,
            1.5,
        ),
        Figure("archc --help, against python -c pass plus 0.1 s", measured["archc --help"].median_seconds / instant, 2),
        Figure(
            "archc --version, against the same",
            measured["archc --version"].median_seconds / instant,
            2,
        ),
    ]


def in_process_figures(timings: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """Elaborating, building and running ResNet-50."""
    elaboration, building, running = timings["elaboration"], timings["building"], timings["running"]
    fresh = building["hand-written, fresh"]
    return [
        Figure("validate, elaborate and cost, times faster than the first build on the meta device",
               elaboration["meta, first time"] / elaboration["archc, first time"], 20, True),
        Figure("the same, median of later times", elaboration["meta"] / elaboration["archc"], 20, True),
        Figure("build the module with fresh weights, against the hand-written class",
               building["archc, fresh"] / fresh, 1.0),
        Figure("build the module from a file, against the same", building["archc, from a file"] / fresh, 0.2),
        Figure("run the module, against the hand-written class", running["archc"] / running["hand-written"], 1.03),
    ]  # fmt: skip


def runtime_figures(files: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """ResNet-50's file in ONNX Runtime, against the alternatives' files."""
    counts = {name: sum(file["operators"].values()) for name, file in files.items()}
    older = files["older"]["load"]
    return [
        Figure("operators after ONNX Runtime's optimisation, beyond the best alternative's file",
               counts["archc"] - min(counts["dynamo"], counts["older"]), 0),
        Figure("ONNX Runtime's load time, against the older exporter's file", files["archc"]["load"] / older, 1.1),
        Figure("the same with external data", files["archc-external"]["load"] / older, 0.7),
    ]  # fmt: skip


def growth_figures(measured: Measured) -> list[Figure]:
    """From 20 layers to 1202: what the last nine hundred cost by the layer, against the first three hundred."""
    depths = sorted(DEPTHS)

    def per_layer(amount: str, low: int, high: int) -> float:
        first, last = (getattr(measured[f"depth {depth}"], amount) for depth in (low, high))
        return float(last - first) / (high - low)

    low, middle, high = depths[0], depths[3], depths[-1]
    return [
        Figure(
            f"{what} by the layer, from {middle} to {high} layers against {low} to {middle}",
            per_layer(amount, middle, high) / per_layer(amount, low, middle),
            1.2,
        )
        for what, amount in (("time", "least_seconds"), ("memory", "median_peak_bytes"))
    ]
