"""Ejected files have types that mypy accepts in its strict mode."""

import subprocess
import sys
from pathlib import Path

from tests.ejection.sources import planned

REPOSITORY = Path(__file__).parents[2]

DIFFERENT = {
    "densenet121": "a loop",
    "efficientnet_b0": "modules that may be absent",
    "googlenet": "more results in training",
    "lraspp_mobilenet_v3_large": "a list with marks",
    "mobilenet_v3_small": "activations as arguments",
    "resnet18_fpn": "several results",
    "resnet20_cifar": "a shortcut without weights",
    "shufflenet_v2_x1_0": "two arms",
    "swin_v2_t": "buffers",
    "timm/hrnet_w18_small": "several streams",
    "unet": "blocks of two values",
    "vit_b_16": "parameters of its own",
}


def test_mypy_finds_nothing_in_what_is_ejected(tmp_path: Path) -> None:
    for name in DIFFERENT:
        (tmp_path / f"{name.replace('/', '_')}.py").write_text(planned(name)[1].text)
    mypy = [sys.executable, "-m", "mypy", "--strict", *map(str, tmp_path.iterdir())]
    done = subprocess.run(mypy, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # with the cache of CI
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
