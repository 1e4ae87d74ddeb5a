"""PyTorch's own files: `.pt2` and TorchScript."""

from . import pt2, torchscript

EXPORTERS = (torchscript.EXPORTER, pt2.EXPORTER)
