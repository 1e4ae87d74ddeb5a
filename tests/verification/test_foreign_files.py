"""Correct files that others wrote or rewrote pass.

`python -m tests.campaigns.foreign` tries them on every bundled spec.
"""

from functools import cache
from pathlib import Path

import pytest

from archc.verification.check import Verifier
from tests.campaigns.bugs.networks import Subject
from tests.campaigns.bugs.trial import passing
from tests.campaigns.foreign.sources import ONNX, SOURCES, TOOLS

HERE = {name: rewrite for name, rewrite in TOOLS.items() if name != "onnxslim"}  # which is not installed everywhere

subject = cache(Subject)


@pytest.mark.filterwarnings("ignore")  # of PyTorch's older exporter, that it is old
@pytest.mark.parametrize("weights", ["fresh", "trained"])
@pytest.mark.parametrize("tool", HERE)
@pytest.mark.parametrize("source", ["archc", "archc, batch norms kept", "torch.onnx, older"])
def test_a_correct_file_passes(source: str, tool: str, weights: str, tmp_path: Path) -> None:
    network, path = subject("residual", weights).network, tmp_path / "residual.onnx"
    SOURCES[source](network, path)
    rewrite = HERE[tool]
    if rewrite is not None:
        path, written = tmp_path / "rewritten.onnx", path
        rewrite(written, path)
    report = Verifier(network).verify(path.name, ONNX.open(path))
    assert passing(report.verdict), report
