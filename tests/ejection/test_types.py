"""Ejected files have types that mypy accepts in its strict mode."""

import subprocess
import sys
from pathlib import Path

from tests.ejection.sources import planned

REPOSITORY = Path(__file__).parents[2]

DIFFERENT = ["densenet121", "googlenet", "lraspp_mobilenet_v3_large", "mobilenet_v3_small", "resnet18_fpn",
    "shufflenet_v2_x1_0", "swin_v2_t", "timm/hrnet_w18_small", "unet", "vit_b_16"]  # fmt: skip
"""A loop, several results, a list, activations as arguments, a shared head, arms, buffers, streams, inputs, tensors."""


def test_mypy_finds_nothing_in_what_is_ejected(tmp_path: Path) -> None:
    for name in DIFFERENT:
        (tmp_path / f"{name.replace('/', '_')}.py").write_text(planned(name)[1].text)
    mypy = [sys.executable, "-m", "mypy", "--strict", *map(str, tmp_path.iterdir())]
    done = subprocess.run(mypy, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # with the cache of CI
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
