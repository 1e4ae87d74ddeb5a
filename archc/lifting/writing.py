"""Writes what was lifted: the spec, and the weights that the module has."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save
from torch import nn

from archc.files import write_bytes, write_text


def write_weights(module: nn.Module, path: Path) -> None:
    """Write a module's `state_dict` as safetensors. Raises ExportError: the file cannot be written."""
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in module.state_dict().items()}
    write_bytes(path, save(tensors))


def write_spec(text: str, path: Path) -> None:
    """Write a spec. Raises ExportError: the file cannot be written."""
    write_text(path, text)
