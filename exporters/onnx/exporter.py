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
    inputs = network.inference.inputs
    names = ["images"] if len(inputs) == 1 else [value.name for value in inputs]
    given = ", ".join(f"{value.name!r}: {name}" for value, name in zip(inputs, names, strict=True))
    types = ", ".join(f"{name}: {value.type}" for value, name in zip(inputs, names, strict=True))
    profile = " ".join(
        f"--{flag}Shapes={','.join(f'{value.name}:{_shape(value.type, size)}' for value in inputs)}"
        for flag, size in (("min", "minimum"), ("opt", "optimum"), ("max", "maximum"))
    )
    return "\n".join(
        (
            "ONNX Runtime:",
            f"  session = onnxruntime.InferenceSession({str(path)!r})",
            f"  outputs = session.run(None, {{{given}}})  # {types}",
            "TensorRT:",
            f"  trtexec --onnx={quote(str(path))} {profile}",
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
