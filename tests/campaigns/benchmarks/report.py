"""Writes what was measured: JSON for programs, a table in Markdown, and a plot in SVG."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import archc
from tests.campaigns.benchmarks.figures import Figure
from tests.campaigns.benchmarks.processes import Measurement

PACKAGES = ("archc", "numpy", "onnx", "onnxruntime", "onnxscript", "pydantic", "safetensors", "torch")

_LABELS = {
    "archc": "archc export --no-verify",
    "archc verified": "archc export, verified",
    "trace": "torch.jit.trace",
    "older": "torch.onnx.export, older",
    "dynamo": "torch.onnx.export",
    "export-save": "torch.export.save",
    "copy": "import onnx, copy the weights",
}


def machine() -> dict[str, Any]:
    """Processor, cores and versions."""
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    versions = {"python": platform.python_version(), **{package: _version(package) for package in PACKAGES}}
    return {"processor": processor, "cores": os.cpu_count(), "versions": versions}


def write_json(path: Path, measured: Mapping[str, Measurement], figures: Sequence[Figure], rest: Any) -> None:
    """Everything, every run included."""
    jobs = {
        name: {"seconds": found.seconds, "peak_bytes": found.peak_bytes, "median_seconds": found.median_seconds,
               "spread": found.spread, "median_peak_bytes": found.median_peak_bytes}
        for name, found in measured.items()
    }  # fmt: skip
    ratios = [{**vars(figure), "reached": figure.reached} for figure in figures]
    path.write_text(json.dumps({"machine": machine(), "figures": ratios, "jobs": jobs, **rest}, indent=1) + "\n")


def table(figures: Sequence[Figure], measured: Mapping[str, Measurement]) -> str:
    """The figures with their bars, and every job's time, spread and memory."""
    about = machine()
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    rows = [
        f"{about['processor']}, {about['cores']} cores; {versions}.",
        "",
        "| figure | measured | bar | |",
        "|---|---:|---:|---|",
    ]
    for figure in figures:
        bar = f"{'at least' if figure.at_least else 'at most'} {figure.bar:g}{figure.unit and ' ' + figure.unit}"
        value = f"{figure.value:.3g}{figure.unit and ' ' + figure.unit}"
        rows.append(f"| {figure.name} | {value} | {bar} | {'reached' if figure.reached else '**missed**'} |")
    rows += ["", "| whole process | runs | median | spread | peak memory |", "|---|---:|---:|---:|---:|"]
    for name, found in measured.items():
        rows.append(
            f"| {name} | {len(found.seconds)} | {found.median_seconds:.3g} s | {found.spread:.0%} "
            f"| {found.median_peak_bytes / 1e6:.0f} MB |"
        )
    return "\n".join(rows) + "\n"


def plot(measured: Mapping[str, Measurement], network: str) -> str:
    """Time of every way to export a network, as bars, in SVG."""
    bars = sorted((measured[f"{name} {network}"].median_seconds, name) for name in _LABELS)
    lines = [_text(10, 24, f"Export of {network}: seconds of the whole process", 15, "bold")]
    for row, (time, name) in enumerate(bars):
        top = 44 + 30 * row
        width = 430 * time / bars[-1][0]
        colour = "#0b6e4f" if name.startswith("archc") else "#9aa5b1"
        lines += [
            _text(210, top + 15, _LABELS[name], 13, anchor="end"),
            f'<rect x="220" y="{top}" width="{width:.0f}" height="20" fill="{colour}"/>',
            _text(226 + width, top + 15, f"{time:.2f} s", 13),
        ]
    height = 54 + 30 * len(bars)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="720" height="{height}" fill="white"/>', *lines, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, size: int, weight: str = "normal", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">{text}</text>'
    )


def _version(package: str) -> str:
    if package == "archc":
        return archc.__version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
