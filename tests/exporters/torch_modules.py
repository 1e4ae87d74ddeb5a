"""Small PyTorch modules to export, and what any exported archive is held to."""

import getpass
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from archc.ir.types import BATCH, Dim, SymbolicDim, TensorType

IMAGE = (3, 24, 20)
Size = tuple[int, tuple[str, int, int]]
"""A dynamic axis of [N, C, H, W]: its symbol, minimum and maximum."""


def taken(shape: tuple[int, ...], *sizes: Size) -> TensorType:
    """The type of an input whose usual shape this is, without the batch."""
    dims: list[Dim] = [BATCH, *shape]
    for axis, (name, low, high) in sizes:
        dims[axis] = SymbolicDim(name, low, shape[axis - 1], high)
    return TensorType(tuple(dims))


class Block(nn.Module):
    """A residual block with a projection where the width changes."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        stride = 1 if in_channels == width else 2
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: nn.Module = nn.Identity()
        if stride == 2:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        result: torch.Tensor = self.relu(self.bn2(self.conv2(y)) + self.downsample(x))
        return result


class Residual(nn.Module):
    """A classifier of residual blocks, as deep as there are widths, with dropout before its head."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        pairs = zip((3, *widths), widths, strict=False)
        self.layers = nn.Sequential(*(Block(in_channels, width) for in_channels, width in pairs))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(widths[-1], 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = torch.flatten(self.avgpool(self.layers(x)), 1)
        result: torch.Tensor = self.fc(self.dropout(features))
        return result


class Outputs(NamedTuple):
    features: torch.Tensor
    output: torch.Tensor


class TwoOutputs(nn.Module):
    """Features and logits, as a NamedTuple; gelu's signature has changed since TorchScript began."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU())
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> Outputs:
        features = self.features(x)
        return Outputs(features, self.head(features.mean((2, 3))))


class BranchOnValues(nn.Module):
    """What it computes depends on the values of its input, so that no graph can hold it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


CASES = {
    "block": lambda: Residual(4),
    "deep": lambda: Residual(4, 4, 6, 6, 8, 8, 10, 10),
    "two-outputs": TwoOutputs,
}


def seeded(name: str, seed: int = 0) -> nn.Module:
    """A module in eval mode, whose activations stay near 1, so that each weight and statistic shows."""
    module = CASES[name]()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5, generator=generator).div_(tensor[0].numel())
    return module.eval()


def images(batch: int, shape: tuple[int, ...] = IMAGE) -> torch.Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch))


def outputs(module: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """The outputs as a list. Nothing but a tensor or a plain tuple may come from an artefact."""
    with torch.no_grad():
        result = module(x)
    return [result] if isinstance(result, torch.Tensor) else list(result)


def assert_same_function(artefact: nn.Module, module: nn.Module, x: torch.Tensor) -> None:
    """The same operators of the same PyTorch: equal to a few units in the last place."""
    actual, expected = outputs(artefact, x), outputs(module, x)
    assert len(actual) == len(expected)
    for got, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


def machine_traces(archive: bytes, repository: Path) -> list[str]:
    """The records, nested archives' too, that hold a path of this machine or the user's name."""
    words = [str(repository), "site-packages", sys.prefix, f"{Path.home()}/", f"{tempfile.gettempdir()}/"]
    if getpass.getuser() not in {"root", "runner"}:  # words with another meaning in a network
        words.append(getpass.getuser())
    found = []
    with zipfile.ZipFile(io.BytesIO(archive)) as records:
        for name in records.namelist():
            record = records.read(name)
            if record.startswith(b"PK"):
                found += machine_traces(record, repository)
            found += [f"{name} holds {word}" for word in words if word.encode() in name.encode() + record]
    return found


def written_elsewhere(exporter: str, repository: Path, folder: Path) -> bytes:
    """The archive of `two-outputs` that a process of its own writes, in a folder and with hashes of its own.

    `exporter` is the writing function, as `torch.script.write_torch_script`.
    """
    module, _, function = exporter.rpartition(".")
    program = f"""
import importlib, sys
sys.path.insert(0, sys.argv[1])
from tests.exporters.torch_modules import IMAGE, seeded, taken
write = importlib.import_module("archc.exporters.{module}").{function}
with open("network", "wb") as file:
    write(seeded("two-outputs"), [{"taken(IMAGE)" if "export." in exporter else "IMAGE"}], file)
"""
    folder.mkdir()
    run_python(program, str(repository), cwd=folder)
    return (folder / "network").read_bytes()


def assert_runs_without_archc(load: str, artefact: Path, module: nn.Module) -> None:
    """A process that knows PyTorch alone loads the artefact by `load` and computes the module's outputs."""
    x = images(3)
    torch.save([x, *outputs(module, x)], artefact.with_name("expected"))
    program = f"""
import sys, torch
x, *expected = torch.load("expected")
with torch.no_grad():
    actual = {load}({artefact.name!r}){".module()" if "export" in load else ""}(x)
actual = [actual] if isinstance(actual, torch.Tensor) else actual
assert len(actual) == len(expected)
for got, wanted in zip(actual, expected):
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)
assert not {{"archc", "tests"}} & set(sys.modules)
"""
    run_python(program, cwd=artefact.parent)


def run_python(program: str, *arguments: str, cwd: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
