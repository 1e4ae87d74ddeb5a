"""What an exporter is, and where exporters are found.

Built-in ones are the packages of `archc.exporters`, whose `EXPORTERS` lists them; other packages add theirs through the
entry-point group `archc.exporters`. Nothing imports an exporter by name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from archc.diagnostics import UsageError, did_you_mean, option
from archc.ir.plug_ins import plug_ins

if TYPE_CHECKING:
    import numpy as np

    from archc.files import Companions
    from archc.passes import Pass
    from archc.weights.network import Network


class Options(BaseModel):
    """What can be asked of an exporter; each exporter that has options has a subclass.

    A field's type (a scalar's), default and description give the flag of the command line, its help, the keyword of
    `archc.export`, the entry in a manifest and the errors. `json_schema_extra={"flag": "fold"}` names the flag, where
    it is not the field's name; `exclude=True` leaves the field out of manifests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def passes(self) -> Sequence[Pass]:
        """The passes that are asked for: they make the network's graph the graph that is written."""
        return ()

    def effective(self) -> Self:
        """The same options, with what the exporter chooses where nothing is asked for."""
        return self


SPEC_KEY = "archc.spec"
"""Under which name an artefact keeps the resolved spec in its metadata."""

OptionsT = TypeVar("OptionsT", bound=Options)
OptionsT_contra = TypeVar("OptionsT_contra", bound=Options, contravariant=True)


class DeclaredInput(NamedTuple):
    """An input as a file declares it; None is a size that is left open."""

    name: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {shape_text(self.shape)}"


def shape_text(shape: Sequence[object]) -> str:
    """A shape in a message, with `?` for a size that is left open."""
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


@dataclass(frozen=True, slots=True)
class Runner:
    """One way to run an artefact: `run` takes an array for each input, and returns the outputs.

    `inputs` and `outputs` name them where the format has names; without, they are in the network's order.
    """

    name: str
    run: Callable[[Sequence[np.ndarray]], list[np.ndarray]]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


LIMIT = "the limit for files from elsewhere"  # in what a run says that was stopped

RunNode = Callable[[Sequence["np.ndarray"]], "np.ndarray"]


@dataclass(frozen=True, slots=True)
class NodeRunner:
    """One node of an artefact: it gives the graph's value `value` from the values `inputs`.

    `path` is the module path. Runners of one `kind` compute the same but for the values of their tensors. `open`
    prepares a runner; what it returns takes the inputs in order, as float32. It is told whether the images (axes from
    2 on) have other sizes than in the network.
    """

    path: str
    value: str
    inputs: tuple[str, ...]
    kind: Hashable
    open: Callable[[bool], RunNode]


class Artefact(Protocol):
    """An exported file that has been opened."""

    shows_nodes: ClassVar[bool]
    """True for a format whose files can be held to their exporter node for node."""

    def differences(self, network: Network) -> list[str] | None:
        """How the file differs from what the exporter would write for this network, tensor by tensor.

        None if a tensor is not there, so that they cannot be matched (somebody else's file).
        """
        ...

    def structure_differences(self, network: Network) -> list[str]:
        """How the file differs in all but its tensors' values from what the exporter writes with the file's options.

        Only names of tensors where a format cannot tell more.
        """
        ...

    def spec(self) -> str:
        """The spec that the file keeps, as untrusted as the file; empty if it keeps none. Raises ExportError."""
        ...

    def stored_tensors(self, network: Network) -> Mapping[str, np.ndarray]:
        """The network's tensors by key, without those that are not in the file as they are, such as folded ones."""
        ...

    def program(self) -> object:
        """The file as its format's own library reads it; None where its calls cannot be read. Raises ExportError."""
        ...

    def inputs(self) -> Sequence[DeclaredInput]:
        """The inputs that the file declares; none where a format does not tell."""
        ...

    def runners(
        self, weights: Network | None = None, witnesses: Sequence[str] = (), *, trusted: bool = True
    ) -> Iterable[Runner]:
        """Ways to run the file: as it is, or its graph with the weights of another network of the same structure.

        Each may be opened when its turn comes, the first without optimisations. `witnesses` adds some of the exporter's
        own. Without `trusted` (the exporter is not known to have written the file) a run has limits of time and memory,
        if the format knows them. Raises MissingDependency: a witness is not installed.
        """
        ...

    def complaints(self, network: Network, witnesses: Sequence[str]) -> list[str]:
        """What witnesses that only parse the file find wrong in it."""
        ...

    def node_runners(self, network: Network, *, replace_weights: bool) -> Sequence[NodeRunner] | None:
        """Every node by itself, in topological order; None where the format cannot run one.

        The weights are the file's own, or with `replace_weights` the network's.
        """
        ...


class Write(Protocol[OptionsT_contra]):
    """How an exporter writes."""

    def __call__(
        self, network: Network, file: BinaryIO, options: OptionsT_contra, companions: Companions | None = None
    ) -> None:
        """Write an artefact, and what it needs beside it; without `companions` all of it is in one file.

        Raises ExportError.
        """


class Open(Protocol[OptionsT_contra]):
    """How an exporter opens."""

    def __call__(self, path: Path, options: OptionsT_contra = ...) -> Artefact:
        """Open an artefact, written with these options as far as they are known. Raises ExportError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Exporter(Generic[OptionsT]):
    """A target: its files, its options, and how it writes and opens them. Everything else is derived from this record.

    `summary` is the help of its flag, and `notice` is told to the user once. `usage` tells how a person loads a file,
    as lines to print. `witnesses` names optional ways to run or parse a file, and `packages` are those whose versions
    decide what the file is. The passes that it asks for depend on its options, which name them.
    """

    name: str
    suffix: str
    summary: str
    write: Write[OptionsT]
    open: Open[OptionsT]
    usage: Callable[[Network, Path], str]
    options: type[OptionsT]
    packages: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    notice: str | None = None

    def asked(self, **options: object) -> OptionsT:
        """Its options, of which some were asked for. Raises UsageError: a value is not of the option's type."""
        try:
            return self.options.model_validate(options)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = option(str(first["loc"][0]))
            message = f"{name} cannot be {first['input']!r}: {first['msg'].lower()}"
            raise UsageError(message, code="bad-option") from None

    def recorded(self, values: Mapping[str, object]) -> OptionsT:
        """Its options from a manifest. Raises ValidationError.

        Older manifests hold the options of all exporters; one that this exporter does not have was not used.
        """
        known = self.options.model_fields
        return self.options.model_validate(
            {name: value for name, value in values.items() if name in known or value not in (None, False)}
        )


@cache
def exporters() -> dict[str, Exporter[Any]]:
    """Every exporter by name. Raises ImportError or AttributeError if an installed one is broken."""
    package = import_module("archc.exporters")
    modules = (import_module(f"archc.exporters.{info.name}") for info in iter_modules(package.__path__))
    found = [exporter for module in modules for exporter in module.EXPORTERS]
    found += [entry.load() for entry in plug_ins("archc.exporters").values()]
    return {exporter.name: exporter for exporter in found}


def exporter_named(name: str) -> Exporter[Any]:
    """The exporter of this name. Raises UsageError if there is none."""
    if name not in exporters():
        help = did_you_mean(name, exporters()) or f"the exporters are {', '.join(sorted(exporters()))}"
        raise UsageError(f"there is no exporter '{name}'", code="unknown-format", help=help)
    return exporters()[name]


def exporter_of(file_name: str) -> Exporter[Any] | None:
    """The exporter that writes files of this name: the one with the longest suffix that fits."""
    fitting = [exporter for exporter in _longest_suffix_first() if file_name.endswith(exporter.suffix)]
    return fitting[0] if fitting else None


def exporter_for(path: Path) -> Exporter[Any]:
    """The same. Raises UsageError if there is none."""
    found = exporter_of(path.name)
    if found is None:
        help = f"try {', '.join(exporter.suffix for exporter in _longest_suffix_first())}"
        raise UsageError(f"no exporter writes files such as {path.name or path}", code="unknown-format", help=help)
    return found


def _longest_suffix_first() -> list[Exporter[Any]]:
    return sorted(exporters().values(), key=lambda exporter: -len(exporter.suffix))


def all_options() -> dict[str, FieldInfo]:
    """The options of all exporters by name. What several have under one name is described by the first."""
    fields: dict[str, FieldInfo] = {}
    for exporter in exporters().values():
        for name, field in exporter.options.model_fields.items():
            fields.setdefault(name, field)
    return fields


def options_for(chosen: Sequence[Exporter[Any]], asked: Mapping[str, object]) -> list[Options]:
    """The options of each chosen exporter, as far as it has those that were asked for.

    Raises UsageError: none of them has an option, or a value is not of its type.
    """
    defaults = all_options()
    for name, value in asked.items():
        if value != defaults[name].default and not any(name in exporter.options.model_fields for exporter in chosen):
            raise _meaningless(name, chosen)
    return [
        exporter.asked(**{name: value for name, value in asked.items() if name in exporter.options.model_fields})
        for exporter in chosen
    ]


def _meaningless(name: str, chosen: Sequence[Exporter[Any]]) -> UsageError:
    takers = [exporter.suffix for exporter in exporters().values() if name in exporter.options.model_fields]
    return UsageError(
        f"{option(name)} means nothing for {', '.join(exporter.suffix for exporter in chosen)} files",
        code="bad-option",
        help=f"it goes with {' or '.join(takers)} files",
    )
