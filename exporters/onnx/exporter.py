"""The record of ONNX files, and how a person loads one."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, BinaryIO

from archc.exporting import Exporter
from archc.ir.types import SymbolicDim, TensorType

from .options import OnnxOptions
from .witnesses import PARSERS, RUNNERS

if TYPE_CHECKING:
    from archc.files import Companions
    from archc.weights.network import Network

    from .artefact import OnnxArtefact


def _write(network: Network, file: BinaryIO, options: OnnxOptions, companions: Companions | None = None) -> None:
    """Write the file piece by piece: memory holds one tensor at a time. Raises ExportError."""
    from .emission import emit, message, write_with_companion

    b = emit(network, options)
    model = message(network, b)
    write_with_companion(model, b.initializers, network.weights, file, companions, external=options.external_data)


def _open(path: Path, options: OnnxOptions | None = None) -> OnnxArtefact:
    """Open a file. Raises ExportError."""
    from .artefact import OnnxArtefact

    return OnnxArtefact(path, options or OnnxOptions())


def _usage(network: Network, path: Path) -> str:
    """How to load the file in ONNX Runtime and TensorRT."""
    inputs = network.inference.input
    shapes = [_shape(network.input, size) for size in ("minimum", "optimum", "maximum")]
    return "\n".join(
        (
            "ONNX Runtime:",
            f"  session = onnxruntime.InferenceSession({str(path)!r})",
            f"  outputs = session.run(None, {{{inputs.name!r}: images}})  # images: {inputs.type}",
            "TensorRT:",
            f"  trtexec --onnx={quote(str(path))} "
            + " ".join(
                f"--{size}Shapes={inputs.name}:{shape}"
                for size, shape in zip(("min", "opt", "max"), shapes, strict=True)
            ),
        )
    )


def _shape(type: TensorType, size: str) -> str:
    """A shape as trtexec writes it: 8x3x224x224."""
    sizes = (dim.at(getattr(dim, size)) if isinstance(dim, SymbolicDim) else dim for dim in type.shape)
    return "x".join(map(str, sizes))


EXPORTER = Exporter(
    name="onnx",
    suffix=".onnx",
    summary="ONNX.",
    write=_write,
    open=_open,
    usage=_usage,
    options=OnnxOptions,
    packages=("onnx",),
    witnesses=(*RUNNERS, *PARSERS),
)
