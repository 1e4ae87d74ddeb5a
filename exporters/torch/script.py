"""TorchScript by tracing, and back."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from archc.diagnostics import ArchcError, ExportError

from .archive import copy_without_traces
from .kept import extra_files
from .script_code import check_torch_script

if TYPE_CHECKING:
    import torch
    from torch import nn

EXAMPLE_BATCH = 2

_DEPRECATION = r"`torch\.jit\.\w+` is (deprecated|not supported)"


def write_torch_script(module: nn.Module, shapes: Sequence[tuple[int, ...]], file: BinaryIO, spec: str = "") -> None:
    """Trace a module in eval mode on an image of each of these shapes, and write the archive, which keeps the spec.

    Several outputs become a plain tuple. The bytes are determined by the module, its weights, PyTorch's
    version, and by how many modules the process has traced before: PyTorch numbers their classes.

    Raises: ExportError: PyTorch cannot trace the module, or the module's behaviour depends on its input's
        values or size, which a trace would lose.
    """
    import torch

    assert not module.training, "an artefact is for inference"
    traced = _traced(module, tuple(torch.zeros(EXAMPLE_BATCH, *shape) for shape in shapes))
    with _without_deprecation(), tempfile.TemporaryDirectory(prefix="archc-") as folder:
        # By name: for a file object PyTorch would build the whole archive in memory.
        whole = Path(folder) / "traced.pt"
        torch.jit.save(traced, str(whole), _extra_files=extra_files(spec))
        copy_without_traces(whole, file)


def load_torch_script(path: Path) -> nn.Module:
    """Load an archive on the CPU; its `state_dict` has the traced module's keys.

    Raises: ExportError: it is damaged, or holds code that does more than compute.
    """
    import torch

    with _without_deprecation():
        try:
            check_torch_script(path)
            module: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        except ArchcError:
            raise
        except Exception as error:  # a damaged archive can raise anything
            message = f"{path} cannot be read as TorchScript: {_reason(error)}"
            raise ExportError(message, code="unreadable") from None
    return module


def _traced(module: nn.Module, examples: tuple[torch.Tensor, ...]) -> torch.jit.ScriptModule:
    """The module as a trace, if the tracer has no doubts about it."""
    import torch

    # Recorded, since a warning that becomes an error inside PyTorch's C++ leaves as a SystemError.
    with warnings.catch_warnings(record=True) as caught, _without_deprecation(), torch.no_grad():
        warnings.simplefilter("always", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        try:
            traced: torch.jit.ScriptModule = torch.jit.trace(  # type: ignore[no-untyped-call]
                module, examples, check_trace=False
            )
        except (RuntimeError, TypeError, ValueError) as error:
            message = f"TorchScript cannot hold the network: {_reason(error)}"
            raise ExportError(message, code="not-exportable") from error
    for warning in caught:
        if issubclass(warning.category, torch.jit.TracerWarning):  # type: ignore[attr-defined]
            message = f"TorchScript cannot hold the network: {warning.message}"
            raise ExportError(message, code="not-exportable")
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return traced


def _reason(error: Exception) -> str:
    """The first line of what PyTorch says; stack traces follow it."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def _without_deprecation() -> Iterator[None]:
    """Silence PyTorch's warning, which the exporter's notice replaces."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _DEPRECATION, DeprecationWarning)
        yield
