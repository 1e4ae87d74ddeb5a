"""The inputs of a network: their types, and those that nothing uses."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from archc.diagnostics import Diagnostic
from archc.ir.types import BATCH, Dim, SymbolicDim, TensorType
from archc.spec.language.document import Spec
from archc.spec.language.inputs import SizeRange


def input_types(spec: Spec) -> dict[str, TensorType]:
    """The type of each input by name.

    The batch is one for all. Axes with the same name and range share a symbol: they are equal at run time. The symbol
    is the axis (`height`); where that has another range already, it is `mask_height`.
    """
    batch = next((given.batch for given in spec.inputs.values() if given.batch), None)
    symbol = SymbolicDim(BATCH.symbol, batch.min, batch.opt, batch.max) if batch else BATCH
    known: dict[str, dict[SizeRange, str]] = {}
    types = {}
    for name, given in spec.inputs.items():
        dims = [_dim(axis, size, name, known.setdefault(axis, {})) for axis, size in given.sizes().items()]
        types[name] = TensorType((symbol, *dims))
    return types


def _dim(axis: str, size: int | SizeRange, input: str, symbols: dict[SizeRange, str]) -> Dim:
    if isinstance(size, int):
        return size
    symbol = symbols.setdefault(size, f"{input}_{axis}" if symbols else axis)
    step = size.multiple_of
    return SymbolicDim(symbol, size.min // step, size.opt // step, size.max // step, scale=step)


def unused_inputs(spec: Spec, used: Collection[str]) -> Iterator[Diagnostic]:
    """A diagnostic for each input that is not among the values that are used."""
    for name, span in spec.input_spans.items():
        if name not in used:
            help = f"write '- from: {name}' where the network needs it, or leave it out"
            yield Diagnostic("unused", f"nothing uses the input '{name}'", span, help=help)
