"""TorchScript by tracing, and back."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from archc.diagnostics import ExportError

from .torch_archive import copy_without_traces

if TYPE_CHECKING:
    from torch import nn

DEPRECATION_NOTICE = "PyTorch has deprecated TorchScript; its successor is --pt2"
EXAMPLE_BATCH = 2


def write_torch_script(module: nn.Module, shape: tuple[int, ...], file: BinaryIO) -> None:
    """Trace a module in eval mode on images of this shape [C, H, W], and write the archive.

    Raises: ExportError: the module's behaviour depends on its input's values or size, which a trace would lose.
    """
    import torch

    example = torch.zeros(EXAMPLE_BATCH, *shape)
    with _without_deprecation(), torch.no_grad():
        try:
            traced = torch.jit.trace(module, example, check_trace=False)
        except torch.jit.TracerWarning as warning:
            raise ExportError(f"tracing would lose what depends on the input: {warning}", code="untraceable") from None
        with tempfile.TemporaryFile() as whole:
            torch.jit.save(traced, whole)  # type: ignore[no-untyped-call]
            copy_without_traces(whole, file)


def load_torch_script(path: Path) -> nn.Module:
    """Load an archive on the CPU. Raises ExportError."""
    import torch

    with _without_deprecation():
        try:
            module: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        except (RuntimeError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ExportError(f"{path} cannot be read as TorchScript: {reason}", code="unreadable") from None
    return module


@contextmanager
def _without_deprecation() -> Iterator[None]:
    """Silence the one warning that DEPRECATION_NOTICE tells in our words; make the tracer's doubts errors."""
    from torch.jit import TracerWarning

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.simplefilter("error", TracerWarning)
        yield
