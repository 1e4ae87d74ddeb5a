"""TorchScript: the module, traced. PyTorch deprecates it; `.pt2` is its successor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from archc.exporting import Exporter, Options

from .usage import call

if TYPE_CHECKING:
    from archc.files import Companions
    from archc.weights.network import Network

    from .artefact import TorchArtefact


def _write(network: Network, file: BinaryIO, options: Options, companions: Companions | None = None) -> None:
    """Trace the module in eval mode. Raises ExportError."""
    from .script import write_torch_script

    write_torch_script(network.inference_module(), network.image_shapes(), file, network.spec)


def _open(path: Path, options: Options | None = None) -> TorchArtefact:
    """Open a file. Raises ExportError."""
    from .artefact import TorchArtefact
    from .script import load_torch_script

    return TorchArtefact("TorchScript, reloaded", path, load_torch_script)


def _usage(network: Network, path: Path) -> str:
    """How to load the file in Python."""
    return f"PyTorch:\n  model = torch.jit.load({str(path)!r})\n  {call(network)}"


EXPORTER = Exporter(
    name="torchscript",
    suffix=".pt",
    summary="TorchScript (PyTorch deprecates it).",
    write=_write,
    open=_open,
    usage=_usage,
    options=Options,
    packages=("torch",),
    notice="PyTorch has deprecated TorchScript; its successor is .pt2",
)
