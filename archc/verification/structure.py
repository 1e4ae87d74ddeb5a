"""The first claim: a file that archc wrote is, node for node and tensor for tensor, what the exporter gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archc.exporting import Artefact, DeclaredInput, shape_text
from archc.ir.graph import Value
from archc.ir.types import BATCH, SymbolicDim
from archc.verification.images import Fixed
from archc.verification.kept_spec import spec_difference
from archc.weights.network import Network

ABSENT = "the file does not hold the network's tensors"


@dataclass(frozen=True)
class Structure:
    """What holding a file to its exporter found.

    `held` is None for a file of another program, whose outputs alone count, and where a format cannot tell. `matched`
    says that the file has every tensor as the network's weights give it, so that others can take their place.
    `differences` refuse the file; `hints` are those of a file that may be right all the same.
    """

    held: bool | None
    matched: bool
    differences: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def foreign(self) -> bool:
        """True for a file that is judged by its outputs alone."""
        return self.held is None

    @classmethod
    def of(cls, artefact: Artefact, network: Network, own: bool) -> Structure:
        """Hold a file to what the exporter gives for the network; its `own` must be that."""
        tensors = artefact.differences(network)
        graph = artefact.structure_differences(network)
        absent = (ABSENT,) if own and tensors is None and not graph else ()
        kept = spec_difference(artefact.spec(), network) if own else None
        found = (*absent, *(tensors or ()), *graph, *filter(None, [kept]))
        if own or (tensors is not None and not graph):
            held = not found if own or artefact.shows_nodes else None
            return cls(held, tensors == [], found)
        return cls(None, tensors == [], hints=tuple(tensors or ()))


def fit(declared: Sequence[DeclaredInput], network: Network) -> tuple[str, Fixed]:
    """How the inputs that a file declares do not fit the network's, and what they fix that the network leaves open."""
    inputs = network.inference.inputs
    if not declared:  # the format does not tell
        return "", Fixed()
    if len(declared) != len(inputs):
        return f"the file has {len(declared)} inputs, and the network {len(inputs)}", Fixed()
    by_name = {each.name: each for each in declared}
    pairs = [(by_name.get(value.name, each), value) for value, each in zip(inputs, declared, strict=True)]
    if any(not _fits(each, value) for each, value in pairs):
        shown = ", ".join(f"{shape_text(each.shape)}{_advice(each, value)}" for each, value in pairs)
        wanted = ", ".join(shape_text(value.type.shape) for value in inputs)
        return f"the file's input is {shown}, the network's {wanted}", Fixed()
    fixed = {
        dim: size
        for each, value in pairs
        for size, dim in zip(each.shape, value.type.shape, strict=True)
        if isinstance(size, int) and isinstance(dim, SymbolicDim)
    }
    batch = next((size for dim, size in fixed.items() if dim.symbol == BATCH.symbol), None)
    others = [(dim, size) for dim, size in fixed.items() if dim.symbol != BATCH.symbol]
    values = tuple([(dim.symbol, dim.value(size)) for dim, size in others])
    return "", Fixed(batch, values, tuple([(dim.symbol, size) for dim, size in others]))


def _fits(declared: DeclaredInput, value: Value) -> bool:
    """True if each size that the file fixes is one that the network takes."""
    shape = value.type.shape
    return len(declared.shape) == len(shape) and all(
        size is None or (size == dim if isinstance(dim, int) else size >= 1 if dim == BATCH else dim.takes(size))
        for size, dim in zip(declared.shape, shape, strict=True)
    )


def _advice(declared: DeclaredInput, value: Value) -> str:
    """A guess at a layout with channels last."""
    shape = value.type.shape
    moved = (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape
    last = Value("", value.type.with_shape(*moved))
    return " (channels last?)" if moved != shape and _fits(declared, last) else ""
