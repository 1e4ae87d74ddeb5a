"""What an exporter is, and where exporters are found.

Built-in ones are the packages of `archc.exporters`, whose `EXPORTERS` lists them; other packages add theirs through the
entry-point group `archc.exporters`. Nothing imports an exporter by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, BinaryIO, Protocol

from archc.diagnostics import UsageError

if TYPE_CHECKING:
    import numpy as np

    from archc.files import Companions
    from archc.weights.network import Network


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What a person can ask of an export: the opset (None: the exporter's own), folding, and where weights go.

    `external_data` puts an ONNX file's weights into a file beside it; what is too large for one file goes there anyway.
    """

    opset: int | None = None
    fold_batch_norm: bool = True
    external_data: bool = False


OPTION_NAMES = {"opset": "--opset", "fold_batch_norm": "--no-fold", "external_data": "--external-data"}
"""What the fields of `ExportOptions` are called on the command line."""


@dataclass(frozen=True, slots=True)
class Runner:
    """One way to run an artefact. `run` takes images [N, C, H, W] and returns the outputs.

    `outputs` names them where the format has names; without, they are in the network's order.
    """

    name: str
    run: Callable[[np.ndarray], list[np.ndarray]]
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeRunner:
    """One node of an artefact: it gives the graph's value `value` from the values `inputs`.

    `path` is the module path, and `run` takes the inputs in order, as float32.
    """

    path: str
    value: str
    inputs: tuple[str, ...]
    run: Callable[[list[np.ndarray]], np.ndarray]


class Artefact(Protocol):
    """An exported file that has been opened."""

    def differences(self, network: Network, options: ExportOptions) -> list[str] | None:
        """How the file differs from what the exporter would write for this network, tensor by tensor.

        None if a tensor is not there, so that they cannot be matched (somebody else's file).
        """
        ...

    def structure_differences(self, network: Network, options: ExportOptions) -> list[str]:
        """How the file differs in all but its tensors' values from what the exporter writes with these options.

        Nothing where a format cannot tell.
        """
        ...

    def image_shape(self) -> tuple[int, ...] | None:
        """Channels, height and width of the input, if the file tells them as numbers."""
        ...

    def runners(
        self, weights: tuple[Network, ExportOptions] | None = None, witnesses: Sequence[str] = ()
    ) -> Iterable[Runner]:
        """Ways to run the file: as it is, or its graph with the weights of another network of the same structure.

        Each may be opened when its turn comes, the first without optimisations. `witnesses` adds some of the exporter's
        own. Raises MissingDependency: one of them is not installed.
        """
        ...

    def complaints(self, network: Network, witnesses: Sequence[str]) -> list[str]:
        """What witnesses that only parse the file find wrong in it."""
        ...

    def node_runners(
        self, network: Network, options: ExportOptions, *, replace_weights: bool
    ) -> Sequence[NodeRunner] | None:
        """Every node by itself, in topological order; None where the format cannot run one.

        The weights are the file's own, or with `replace_weights` the network's.
        """
        ...


class Exporter(Protocol):
    """A target. `notice` is told to the user once; `witnesses` names optional ways to run or parse the file.

    `honours` names the fields of `ExportOptions` that the exporter acts upon, `opset` is the one that it writes
    unasked, and `packages` are those whose versions decide what the file is.
    """

    name: str
    suffix: str
    summary: str
    notice: str | None
    witnesses: tuple[str, ...]
    honours: tuple[str, ...]
    opset: int | None
    packages: tuple[str, ...]

    def write(
        self, network: Network, file: BinaryIO, options: ExportOptions, companions: Companions | None = None
    ) -> None:
        """Write the artefact, and what it needs beside it; without `companions` all of it is in one file.

        Raises ExportError.
        """
        ...

    def open(self, path: Path) -> Artefact:
        """Open an artefact for running. Raises ExportError if it cannot be read."""
        ...

    def usage(self, network: Network, path: Path) -> str:
        """How a person loads the file, as lines to print."""
        ...


@cache
def exporters() -> dict[str, Exporter]:
    """Every exporter by name. Raises ImportError or AttributeError if an installed one is broken."""
    package = import_module("archc.exporters")
    modules = (import_module(f"archc.exporters.{info.name}") for info in iter_modules(package.__path__))
    found = [exporter for module in modules for exporter in module.EXPORTERS]
    found += [entry.load() for entry in entry_points(group="archc.exporters")]
    return {exporter.name: exporter for exporter in found}


def exporter_for(path: Path) -> Exporter:
    """The exporter that writes files with this suffix. Raises UsageError if there is none."""
    found = next((exporter for exporter in exporters().values() if path.name.endswith(exporter.suffix)), None)
    if found is None:
        suffixes = ", ".join(exporter.suffix for exporter in exporters().values())
        raise UsageError(f"no exporter writes files such as {path.name}", code="unknown-format", help=f"try {suffixes}")
    return found


def check_options(options: ExportOptions, chosen: Sequence[Exporter]) -> None:
    """Raise UsageError for an option that is asked for and that no chosen exporter acts upon."""
    honoured = {name for exporter in chosen for name in exporter.honours}
    for field in fields(options):
        if getattr(options, field.name) != field.default and field.name not in honoured:
            takers = [exporter.suffix for exporter in exporters().values() if field.name in exporter.honours]
            asked = ", ".join(exporter.suffix for exporter in chosen)
            raise UsageError(
                f"{OPTION_NAMES[field.name]} means nothing for {asked} files",
                code="bad-option",
                help=f"it goes with {' or '.join(takers)} files",
            )


def effective_options(exporter: Exporter, options: ExportOptions) -> ExportOptions:
    """What an exporter makes of the options: its own opset if none is asked for, and nothing that it cannot do."""
    asked = exporter.opset if options.opset is None else options.opset
    return ExportOptions(
        opset=asked if "opset" in exporter.honours else None,
        fold_batch_norm=options.fold_batch_norm and "fold_batch_norm" in exporter.honours,
        external_data=options.external_data and "external_data" in exporter.honours,
    )
