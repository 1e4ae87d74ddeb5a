"""ONNX files."""

from .exporter import EXPORTER

EXPORTERS = (EXPORTER,)
