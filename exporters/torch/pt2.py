"""torch.export's `.pt2`: the module as a graph of PyTorch's own operators, with a dynamic batch."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from archc.exporting import ExportOptions
from archc.files import Companions
from archc.weights.network import Network

from .artefact import TorchArtefact
from .export import image_shape, load_torch_export, write_torch_export


class Pt2Exporter:
    """Writes and opens `.pt2` files."""

    name = "pt2"
    suffix = ".pt2"
    summary = "torch.export's .pt2, for PyTorch and ahead-of-time compilation"
    notice = None
    witnesses = ()
    honours = ()
    opset = None
    packages = ("torch",)

    def write(
        self, network: Network, file: BinaryIO, options: ExportOptions, companions: Companions | None = None
    ) -> None:
        """Export the module in eval mode, with every dynamic axis. Raises ExportError."""
        dynamic = network.dynamic_sizes().items()
        sizes = {axis: (dim.symbol, dim.minimum, dim.maximum) for axis, dim in dynamic}
        write_torch_export(network.inference_module(), network.image_shape(), sizes, file)

    def open(self, path: Path) -> TorchArtefact:
        """Open a file. Raises ExportError."""
        return TorchArtefact("torch.export, reloaded", lambda: load_torch_export(path), lambda: image_shape(path))

    def usage(self, network: Network, path: Path) -> str:
        """How to load the file in Python."""
        load = f"model = torch.export.load({str(path)!r}).module()"
        return f"PyTorch:\n  {load}\n  outputs = model(images)  # images: {network.input}"


EXPORTER = Pt2Exporter()
