"""`.pt2` archives by torch.export, and back."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from archc.diagnostics import ArchcError, ExportError
from archc.exporting import DeclaredInput
from archc.ir.types import Dim, SymbolicDim, TensorType

from .kept import extra_files
from .pt2_records import check_pt2

if TYPE_CHECKING:
    from torch import fx, nn
    from torch.export import ExportedProgram

EXAMPLE_BATCH = 2  # one image would make torch.export treat the batch as a constant
KEPT_METADATA = ("val", "tensor_meta", "nn_module_stack", "torch_fn")

_VIOLATION = re.compile(r"Not all values of .+?\.(?=[A-Z]|$)", re.MULTILINE)  # sentences are run together


def write_torch_export(module: nn.Module, inputs: Sequence[TensorType], file: BinaryIO, spec: str = "") -> None:
    """Export a module in eval mode for inputs of these types, and write the archive, which keeps the spec.

    It takes any number of images, and every dynamic size. Several outputs become a plain tuple, so that it needs no
    class of ours.

    Raises: ExportError: torch.export refuses the module or one of the dynamic sizes.
    """
    import torch

    assert not module.training, "an artefact is for inference"
    ranges = {
        dim.symbol: _multiple(torch.export.Dim(dim.symbol, min=dim.minimum, max=dim.maximum), dim.scale)
        for type in inputs
        for dim in type.shape[1:]
        # torch.export has no dimension of a single size; such an axis is a constant.
        if isinstance(dim, SymbolicDim) and dim.minimum < dim.maximum
    }
    examples = tuple(torch.zeros(EXAMPLE_BATCH, *map(_usual, type.shape[1:])) for type in inputs)
    batch = torch.export.Dim("batch", min=1)
    dynamic = tuple({0: batch, **_dynamic(type, ranges)} for type in inputs)
    with _plain_outputs(module), _size_oblivious() if ranges else nullcontext():
        try:
            program = torch.export.export(module, examples, dynamic_shapes=dynamic)
        except Exception as error:  # torch.export has no common class for its refusals
            message = f"torch.export refuses the network: {_reason(error)}"
            raise ExportError(message, code="not-exportable") from error
    _strip_traces(program.graph_module)
    # Compilers ask for example inputs, of which they take the shape: one stored zero is as good as an image.
    # Not through the property, which some versions of PyTorch do not let be set.
    program._example_inputs = tuple(torch.zeros(()).expand_as(example) for example in examples), {}
    torch.export.save(program, file, extra_files=extra_files(spec))


def _usual(dim: Dim) -> int:
    return dim.at(dim.optimum) if isinstance(dim, SymbolicDim) else dim


def _multiple(dim: Any, scale: int) -> Any:
    return dim if scale == 1 else scale * dim


def _dynamic(type: TensorType, ranges: Mapping[str, Any]) -> dict[int, Any]:
    """The dimension of each dynamic axis beside the batch; axes with one symbol have one dimension."""
    dims = {axis: dim for axis, dim in enumerate(type.shape) if axis and isinstance(dim, SymbolicDim)}
    return {axis: ranges[dim.symbol] for axis, dim in dims.items() if dim.symbol in ranges}


def load_torch_export(path: Path) -> nn.Module:
    """Load an archive as a module; its `state_dict` has the exported module's keys. Raises ExportError."""
    return load_program(path).module()


def declared_inputs(path: Path) -> Sequence[DeclaredInput]:
    """The inputs of an archive. Raises ExportError."""
    program = load_program(path)
    inputs = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    return [
        DeclaredInput(node.name, tuple(size if isinstance(size, int) else None for size in node.meta["val"].shape))
        for node in inputs
    ]


def load_program(path: Path) -> ExportedProgram:
    """Read an archive. Raises ExportError: it is damaged, or could run code."""
    import torch

    try:
        check_pt2(path)
        # Not by path: that must end in .pt2, and a file that is not yet delivered does not.
        with path.open("rb") as file, _without_log():
            return torch.export.load(file)
    except ArchcError:
        raise
    except Exception as error:  # a damaged archive can raise anything
        message = f"{path} cannot be read as .pt2: {_reason(error)}"
        raise ExportError(message, code="unreadable") from None


@contextmanager
def _without_log() -> Iterator[None]:
    """Silence torch.export's log, which holds a traceback where the exception says what is wrong."""
    log = logging.getLogger("torch.export")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _plain_outputs(module: nn.Module) -> Iterator[None]:
    """Let the module return a tuple where it returns a NamedTuple, whose class a reader would have to import.

    A wrapping module would do the same, but prefix every key of the `state_dict`.
    """
    hook = module.register_forward_hook(lambda _, inputs, out: tuple(out) if isinstance(out, tuple) else None)
    try:
        yield
    finally:
        hook.remove()


def _size_oblivious() -> AbstractContextManager[Any]:
    """Let torch.export accept a size that can shrink to 1 inside the network, as the smallest image's may.

    It refuses such a range otherwise, since it gives tensors of size 1 a layout of their own; so does
    PyTorch before 2.7, which lacks the option.
    Source: the torch.export tutorial, "(experimental) Avoiding 0/1 specialization".
    """
    from torch.fx.experimental import _config

    if not hasattr(_config, "backed_size_oblivious"):
        return nullcontext()
    return _config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined, no-any-return]


def _strip_traces(graph_module: fx.GraphModule) -> None:
    """Leave out what tells the files and lines of the machine that exported."""
    for node in graph_module.graph.nodes:
        node.meta = {key: value for key, value in node.meta.items() if key in KEPT_METADATA}


def _reason(error: Exception) -> str:
    """What torch.export says and which sizes it refuses, without its advice for programmers."""
    text = str(error).strip() or type(error).__name__
    first, *_ = text.partition(" For more information")[0].splitlines()
    return " ".join([first, *_VIOLATION.findall(text)])
