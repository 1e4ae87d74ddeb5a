"""torch.export's `.pt2`: the module as a graph of PyTorch's own operators, with a dynamic batch."""

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
    """Export the module in eval mode, with every dynamic axis. Raises ExportError."""
    from .export import write_torch_export

    write_torch_export(
        network.inference_module(), [value.type for value in network.inference.inputs], file, network.spec
    )


def _open(path: Path, options: Options | None = None) -> TorchArtefact:
    """Open a file. Raises ExportError."""
    from .artefact import TorchArtefact
    from .export import declared_inputs, load_program, load_torch_export

    return TorchArtefact("torch.export, reloaded", path, load_torch_export, declared_inputs, load_program)


def _usage(network: Network, path: Path) -> str:
    """How to load the file in Python."""
    load = f"model = torch.export.load({str(path)!r}).module()"
    return f"PyTorch:\n  {load}\n  {call(network)}"


EXPORTER = Exporter(
    name="pt2",
    suffix=".pt2",
    summary="torch.export's .pt2.",
    write=_write,
    open=_open,
    usage=_usage,
    options=Options,
    packages=("torch",),
)
