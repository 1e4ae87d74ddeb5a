"""`.pt2` archives by torch.export, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from archc.diagnostics import ExportError

if TYPE_CHECKING:
    from torch import nn

EXAMPLE_BATCH = 2  # one image would make torch.export treat the batch as a constant
KEPT_METADATA = ("val", "tensor_meta")

Sizes = Mapping[int, tuple[str, int, int, int]]


def write_torch_export(module: nn.Module, shape: tuple[int, ...], sizes: Sizes, file: BinaryIO) -> None:
    """Export a module in eval mode for images of this shape [C, H, W], any number of them, and write the archive.

    `sizes` gives name, minimum, optimum and maximum of further dynamic axes of [N, C, H, W].
    Raises: ExportError: torch.export refuses the module or one of the dynamic sizes.
    """
    import torch

    example = torch.zeros(EXAMPLE_BATCH, *shape)
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch", min=1)}
    dynamic |= {axis: torch.export.Dim(name, min=low, max=high) for axis, (name, low, _, high) in sizes.items()}
    try:
        program = torch.export.export(module, (example,), dynamic_shapes=(dynamic,))
    except Exception as error:  # torch.export has no common class for its refusals
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"torch.export refuses the network: {reason}", code="not-exportable") from error
    for node in program.graph.nodes:
        # What is left out tells the files and lines of the machine that exported.
        node.meta = {key: value for key, value in node.meta.items() if key in KEPT_METADATA}
    program._example_inputs = None
    torch.export.save(program, file)  # type: ignore[arg-type]


def load_torch_export(path: Path) -> nn.Module:
    """Load an archive as a module. Raises ExportError."""
    import torch

    try:
        with path.open("rb") as file:  # a path must end in .pt2, and a file that is not yet delivered does not
            return torch.export.load(file).module()
    except Exception as error:  # a damaged archive can raise anything
        reason = str(error).strip().splitlines()[:1]
        raise ExportError(f"{path} cannot be read as .pt2: {''.join(reason)}", code="unreadable") from None
