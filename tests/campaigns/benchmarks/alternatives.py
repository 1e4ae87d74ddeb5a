"""What people use today, each as a process of its own.

`python -m tests.campaigns.benchmarks.alternatives NAME SPEC WEIGHTS OUT` runs one.

All of them start from the module that archc compiles, with the same weights, and leave the batch dynamic where the
format can.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


def dynamo(module: nn.Module, image: torch.Tensor, out: Path) -> None:
    """torch.onnx.export, as it is today."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=32)
    torch.onnx.export(module, (image,), out, dynamo=True, external_data=False, dynamic_shapes=({0: batch},))


def torchscript_onnx(module: nn.Module, image: torch.Tensor, out: Path) -> None:
    """torch.onnx.export's older exporter, which traces."""
    import torch

    torch.onnx.export(
        module, (image,), out, dynamo=False, input_names=["input"], dynamic_axes={"input": {0: "batch"}}
    )  # fmt: skip


def trace(module: nn.Module, image: torch.Tensor, out: Path) -> None:
    """torch.jit.trace and save."""
    import torch

    torch.jit.save(torch.jit.trace(module, image), str(out))


def export_save(module: nn.Module, image: torch.Tensor, out: Path) -> None:
    """torch.export.export and save."""
    import torch

    program = torch.export.export(module, (image,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=32)},))
    torch.export.save(program, out)


def safetensors_save(module: nn.Module, image: torch.Tensor, out: Path) -> None:
    """The weights alone, by the safetensors library."""
    from safetensors.torch import save_file

    save_file(module.state_dict(), out)


EXPORTS: dict[str, Callable[[nn.Module, torch.Tensor, Path], None]] = {
    "dynamo": dynamo,
    "older": torchscript_onnx,
    "trace": trace,
    "export-save": export_save,
    "safetensors": safetensors_save,
}


def main(name: str, spec: str, weights: str, out: str) -> None:
    """Run one of them, or `copy`: what a process costs that imports onnx and copies the weights."""
    if name == "copy":
        import onnx  # noqa: F401

        shutil.copyfile(weights, out)
        return
    import torch

    import archc

    warnings.simplefilter("ignore")
    module = archc.build(spec, weights=weights).eval()
    with torch.no_grad():
        EXPORTS[name](module, torch.zeros(2, 3, 224, 224), Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
