"""PyTorch's own files: `.pt2` and TorchScript."""

from . import pt2, torchscript

EXPORTERS = (pt2.EXPORTER, torchscript.EXPORTER)
