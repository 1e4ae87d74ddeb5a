"""TorchScript: the module, traced. PyTorch deprecates it; `.pt2` is its successor."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from archc.exporting import ExportOptions
from archc.files import Companions
from archc.weights.network import Network

from .artefact import TorchArtefact
from .script import DEPRECATION_NOTICE, load_torch_script, write_torch_script


class TorchScriptExporter:
    """Writes and opens TorchScript files."""

    name = "torchscript"
    suffix = ".pt"
    summary = "TorchScript, for libtorch and older PyTorch (deprecated)"
    notice = DEPRECATION_NOTICE
    witnesses = ()
    honours = ()
    opset = None
    packages = ("torch",)

    def write(
        self, network: Network, file: BinaryIO, options: ExportOptions, companions: Companions | None = None
    ) -> None:
        """Trace the module in eval mode. Raises ExportError."""
        write_torch_script(network.inference_module(), network.image_shape(), file)

    def open(self, path: Path) -> TorchArtefact:
        """Open a file. Raises ExportError."""
        return TorchArtefact("TorchScript, reloaded", lambda: load_torch_script(path))

    def usage(self, network: Network, path: Path) -> str:
        """How to load the file in Python."""
        return (
            f"PyTorch:\n  model = torch.jit.load({str(path)!r})\n  outputs = model(images)  # images: {network.input}"
        )


EXPORTER = TorchScriptExporter()
