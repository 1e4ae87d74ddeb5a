"""The commands that are measured."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.campaigns.benchmarks.processes import Job

PYTHON = sys.executable
ARCHC = str(Path(PYTHON).with_name("archc"))
NETWORKS = ("resnet50", "resnet152")
ALTERNATIVES = ("dynamo", "older", "trace", "export-save", "safetensors", "copy")
SUFFIXES = {"trace": ".pt", "export-save": ".pt2", "safetensors": ".safetensors", "copy": ".safetensors"}
BASELINE = "import yaml\nfrom pydantic import BaseModel\nclass Model(BaseModel):\n    size: int\n"
DEPTHS = {6 * blocks + 2: blocks for blocks in (3, 9, 18, 50, 100, 200)}
WIDTHS = (64, 128, 256)


def weights(folder: Path, network: str) -> Path:
    """Where a network's weights lie."""
    return folder / network / "model.safetensors"


def written(folder: Path, network: str, how: str) -> Path:
    """The file that a job writes."""
    if how.startswith("archc"):
        return folder / how / network / f"{network}.onnx"
    return folder / f"{network}.{how}{SUFFIXES.get(how, '.onnx')}"


def exports(folder: Path, runs: int) -> list[Job]:
    """Every way to export, on every network. The alternatives take half a minute each, so they run less often."""
    jobs = []
    for network in NETWORKS:
        given = str(weights(folder, network))
        command = [ARCHC, "export", network, "--onnx", "--weights", given, "-o"]
        quick = [*command, str(folder / "archc" / network), "--no-verify"]
        jobs += [
            Job(f"archc {network}", quick, 3 * runs),
            Job(f"archc external {network}", [*command, str(folder / "archc-external" / network), "--external-data",
                                              "--no-verify"], runs),
            Job(f"archc verified {network}", [*command, str(folder / "archc-verified" / network)], runs),
        ]  # fmt: skip
        for name in ALTERNATIVES:
            out = str(written(folder, network, name))
            script = [PYTHON, "-m", "tests.campaigns.benchmarks.alternatives", name, network, given, out]
            jobs.append(Job(f"{name} {network}", script, 3 * runs if name == "copy" else runs))
    return jobs


def commands(runs: int) -> list[Job]:
    """What should feel instant, and what it is compared with."""
    return [
        Job("pass", [PYTHON, "-c", "pass"], 5 * runs),
        Job("yaml and pydantic", [PYTHON, "-c", BASELINE], 5 * runs),
        Job("archc check resnet50", [ARCHC, "check", "resnet50"], 5 * runs),
        Job("archc --help", [ARCHC, "--help"], 5 * runs),
        Job("archc --version", [ARCHC, "--version"], 5 * runs),
    ]


def checks(specs: list[str], runs: int) -> list[Job]:
    """`archc check` on every bundled spec."""
    return [Job(f"check {name}", [ARCHC, "check", name], runs) for name in specs]


def growth(folder: Path, runs: int) -> list[Job]:
    """Exports of ever deeper, and ever wider, residual networks for 32x32 images."""
    nets = {f"depth {depth}": _residual(16, blocks) for depth, blocks in DEPTHS.items()}
    nets |= {f"width {width}": _residual(width, 18) for width in WIDTHS}
    jobs = []
    for name, text in nets.items():
        path = folder / f"{name.replace(' ', '_')}.yaml"
        path.write_text(text)
        out = str(folder / name.replace(" ", "_"))
        jobs.append(Job(name, [ARCHC, "export", str(path), "--onnx", "--no-verify", "-o", out], 3 * runs))
    return jobs


def _residual(width: int, blocks: int) -> str:
    """A network of 6 * blocks + 2 layers (He et al. 2015, section 4.2), with projections."""
    return f"""\
name: residual
input: {{channels: 3, height: 32, width: 32}}
layers:
  - conv2d: {{name: conv1, out_channels: {width}, kernel_size: 3, padding: 1, bias: false}}
  - batch_norm: {{name: bn1}}
  - relu
  - basic: {{name: layer1, count: {blocks}, width: {width}}}
  - basic: {{name: layer2, count: {blocks}, width: {2 * width}, stride: 2}}
  - basic: {{name: layer3, count: {blocks}, width: {4 * width}, stride: 2}}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: {{name: fc, out_features: 10}}
"""
