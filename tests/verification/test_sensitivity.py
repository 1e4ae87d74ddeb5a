"""The smallest change that a comparison notices is what `--sensitivity` says it is."""

import json
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from archc.cli import run
from archc.exporting import exporters
from archc.verification import Verdict
from archc.verification.check import Verifier
from archc.verification.images import images
from archc.verification.twin import calibrated_weights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, compiled

ONNX = exporters()["onnx"]


@pytest.fixture(scope="module")
def network() -> Network:
    graph = compiled(RESIDUAL)
    return Network(graph, calibrated_weights(graph, images((3, 32, 32))), fresh=False)


def verdict_after(network: Network, path: Path, block: str, change: float) -> Verdict:
    """The verdict on a file whose weights of one block are changed by this much."""
    weights = dict(network.weights)
    for key, array in weights.items():
        inside = key.startswith(f"{block}.") and "running" not in key and "tracked" not in key
        if inside and "." not in key.removeprefix(f"{block}.").partition(".")[2]:
            noise = np.random.Generator(np.random.Philox(key=crc32(key.encode()))).standard_normal(array.shape)
            weights[key] = (array * (1 + change * noise)).astype(np.float32)
    with path.open("wb") as file:
        ONNX.write(network.with_weights(weights), file, ONNX.asked())
    report = Verifier(network).verify(path.name, ONNX.open(path))
    return max((row.verdict for row in report.comparisons), key=lambda verdict: verdict is Verdict.FAILED)


@pytest.mark.parametrize("block", ["conv1", "bn1", "fc"])
def test_a_change_three_times_larger_is_noticed_and_one_ten_times_smaller_is_not(
    network: Network, tmp_path: Path, block: str
) -> None:
    smallest = {found.block: found.smallest for found in Verifier(network).sensitivities()}[block]
    assert verdict_after(network, tmp_path / "larger.onnx", block, 3 * smallest) is Verdict.FAILED
    assert verdict_after(network, tmp_path / "smaller.onnx", block, smallest / 10) is Verdict.PASSED


def test_every_block_with_weights_has_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.yaml").write_text(RESIDUAL)
    build = str(tmp_path / "build")
    assert run(["export", str(tmp_path / "small.yaml"), "--onnx", "--no-verify", "-o", build]) == 0
    capsys.readouterr()
    assert run(["verify", build, "--sensitivity", "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)["sensitivities"]
    blocks = ["conv1", "bn1", "layer1.0", "layer2.0", "layer2.0.downsample", "layer2.1", "fc"]
    assert list(figures) == blocks
    assert all(0 < figure < 1e-2 for figure in figures.values())
