"""Calls that together are one operator of the language: attention written out, and a few activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isclose, prod

from archc.ir.operator import Operator, ShapeError
from archc.lifting.axes import Axis, expanded, movement, reshaped
from archc.lifting.filters import share_gammas
from archc.lifting.moves import gather_slices, merge_moves, push_moves, select_last
from archc.lifting.records import MatMul, Record, Trace, Value
from archc.operators.activation import Sigmoid, Silu
from archc.operators.arithmetic import Mul
from archc.operators.arrangement import Flatten, Permute
from archc.operators.attention import Attention
from archc.operators.join import Concat, Matmul, Product, Sum
from archc.operators.rearrangement import Rearrange
from archc.operators.regularization import Dropout, Dropout2d, Identity
from archc.operators.softmax import Softmax

ON_THE_WAY = (Sum, Mul, Product, Rearrange, Flatten, Permute)
"""What may stand between a product of matrices and the softmax of an attention."""


def fused(trace: Trace) -> None:
    """Side effect: the trace has attention and SiLU in place of what they are made of, and one move in place of two."""
    _Fusion(trace).run()
    _multiply(trace)
    _extend_concats(trace)
    gather_slices(trace)
    trace.records = needed(trace)
    share_gammas(trace)
    push_moves(trace)
    merge_moves(trace)
    select_last(trace)
    trace.records = needed(trace)


def _multiply(trace: Trace) -> None:
    """Products of matrices outside attention."""
    for record in trace.records:
        if isinstance(record.operator, MatMul):
            record.operator, record.inputs = Matmul(), record.inputs[:2]


def _extend_concats(trace: Trace) -> None:
    """Let what is concatenated of all values so far begin with what was concatenated before."""
    known: dict[tuple[Value, ...], Value] = {}
    for record in trace.records:
        if isinstance(record.operator, Concat):
            given = tuple(record.inputs)
            start = next((end for end in range(len(given) - 1, 1, -1) if given[:end] in known), 0)
            if start:
                record.inputs = [known[given[:start]], *given[start:]]
            known[given] = record.output


def needed(trace: Trace) -> list[Record]:
    """The records that the outputs need, without those that do nothing."""
    aliases: dict[Value, Value] = {}
    kept: list[Record] = []
    for record in trace.records:
        record.inputs = [aliases.get(value, value) for value in record.inputs]
        if _does_nothing(record):
            aliases[record.output] = record.inputs[0]
        else:
            kept.append(record)
    trace.outputs = {name: aliases.get(value, value) for name, value in trace.outputs.items()}
    wanted = set(trace.outputs.values())
    found = []
    for record in reversed(kept):
        if record.output in wanted:
            wanted.update(record.inputs)
            found.append(record)
    return found[::-1]


def _does_nothing(record: Record) -> bool:
    """True for the identity, and for dropout that drops nothing, where it does not hold a number in a list."""
    if (record.path or "").rpartition(".")[2].isdigit():
        return False
    operator = record.operator
    return isinstance(operator, Identity) or (isinstance(operator, Dropout | Dropout2d) and operator.p == 0)


class _Fusion:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._makers = {record.output: record for record in trace.records}
        self._uses = Counter(value for record in trace.records for value in record.inputs)

    def run(self) -> None:
        for record in list(self._trace.records):
            if isinstance(record.operator, MatMul) and isinstance(self._maker(record.inputs[0], Dropout), Softmax):
                self._attention(record)
            elif isinstance(record.operator, Product):
                self._silu(record)

    def _maker(self, value: Value, *passed: type) -> object:
        record = self._passing(value, *passed)
        return record.operator if record else None

    def _passing(self, value: Value, *passed: type) -> Record | None:
        """What makes a value, beyond operators of these kinds that do nothing at inference."""
        record = self._makers.get(value)
        while record is not None and isinstance(record.operator, passed) and getattr(record.operator, "p", 1) == 0:
            record = self._makers.get(record.inputs[0])
        return record

    def _attention(self, record: Record) -> None:
        """softmax(query @ key.T * scale + bias) @ value."""
        softmax = self._passing(record.inputs[0], Dropout)
        assert softmax is not None, "it was found before"
        ndim = self._trace.types[softmax.output].ndim
        if softmax.operator.dim not in (-1, ndim - 1):  # type: ignore[attr-defined]
            return
        found = self._scores(softmax.inputs[0])
        if found is None:
            return
        product, scale, biases, factors = found
        query, _, key = product.inputs
        query, scale = self._unscaled(query, scale)
        for factor in factors:
            query = self._insert(Product(), [query, factor], record)
        features = self._trace.types[query].shape[-1]
        usual = isclose(scale, float(str(features)) ** -0.5, rel_tol=1e-6)
        bias = [self._added(biases, record)] if biases else []
        operator, inputs = Attention(scale=None if usual else scale), [query, key, record.inputs[1], *bias]
        try:
            operator.typed(*[self._trace.types[value] for value in inputs])
        except ShapeError:
            return
        record.operator, record.inputs = operator, inputs

    def _scores(self, value: Value) -> tuple[Record, float, list[Value], list[Value]] | None:
        """The product of query and key, its factor, what is added to it as it broadcasts to `value`, and what each
        head's scores are multiplied by."""
        biases: list[Value] = []
        factors: list[Value] = []
        scale = 1.0
        target = self._trace.axes[value]
        record = self._makers.get(value)
        while record is not None and isinstance(record.operator, ON_THE_WAY):
            following = record.inputs[0]
            if isinstance(record.operator, Sum):
                found = next((v for v in record.inputs if self._leads_to_product(v)), None)
                if found is None or len(record.inputs) != 2 or scale != 1.0:
                    return None
                (bias,) = (v for v in record.inputs if v != found)
                biases.insert(0, self._moved(bias, self._trace.axes[record.output], target, record))
                following = found
            elif isinstance(record.operator, Mul):
                scale *= record.operator.other
            elif isinstance(record.operator, Product):
                found = next((v for v in record.inputs if self._leads_to_product(v)), None)
                (factor,) = (v for v in record.inputs if v != found)
                if found is None or self._trace.types[factor].shape[-2:] != (1, 1):
                    return None
                factors.append(factor)
                following = found
            record = self._makers.get(following)
        return (record, scale, biases, factors) if record and isinstance(record.operator, MatMul) else None

    def _leads_to_product(self, value: Value) -> bool:
        record = self._makers.get(value)
        while record is not None and isinstance(record.operator, ON_THE_WAY):
            if isinstance(record.operator, Sum | Product):
                return any(self._leads_to_product(each) for each in record.inputs)
            record = self._makers.get(record.inputs[0])
        return record is not None and isinstance(record.operator, MatMul)

    def _moved(self, bias: Value, before: list[Axis], after: list[Axis], record: Record) -> Value:
        """A bias that is added to scores with other leading axes."""
        sizes = self._trace.types[bias].shape
        pairs = zip(before[-len(sizes) :], sizes, strict=True)
        held = {atom for axis, size in pairs if size != 1 for atom in expanded(axis)}
        shape = [prod(atom.size for atom in expanded(axis) if atom in held) for axis in after]
        while len(shape) > len(sizes) and shape[0] == 1:
            del shape[0]
        axes = reshaped(self._trace.axes[bias], shape)
        if axes is None or shape == list(sizes):
            return bias
        value = self._insert(movement([expanded(axis) for axis in self._trace.axes[bias]], axes), [bias], record)
        self._trace.axes[value] = axes
        return value

    def _insert(self, operator: Operator, inputs: list[Value], before: Record) -> Value:
        """The value of a new record that stands before another."""
        (type, *_), _ = operator.typed(*[self._trace.types[value] for value in inputs])
        value = self._trace.new(type)
        made = Record(operator, inputs, value, before.scope)
        self._trace.records.insert(self._trace.records.index(before), made)
        self._makers[value] = made
        return value

    def _unscaled(self, query: Value, scale: float) -> tuple[Value, float]:
        record = self._makers.get(query)
        if record is not None and isinstance(record.operator, Mul) and self._uses[query] == 1:
            return record.inputs[0], scale * record.operator.other
        return query, scale

    def _added(self, biases: Sequence[Value], before: Record) -> Value:
        """The sum of what is added to the scores."""
        return biases[0] if len(biases) == 1 else self._insert(Sum(), list(biases), before)

    def _silu(self, record: Record) -> None:
        """x * sigmoid(x)."""
        for x, gate in (record.inputs, record.inputs[::-1]):
            maker = self._makers.get(gate)
            if maker and isinstance(maker.operator, Sigmoid) and maker.inputs == [x] and self._uses[gate] == 1:
                record.operator, record.inputs = Silu(), [x]
                return
