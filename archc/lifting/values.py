"""The values of a traced run: which tensor is which value, and what becomes of its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import nn

from archc.ir.operator import Operator, ShapeError
from archc.ir.types import BATCH, TensorType
from archc.lifting import axes as ax
from archc.lifting.axes import Axis
from archc.lifting.constants import constant_of
from archc.lifting.modules import NoWord
from archc.lifting.records import BATCH_SIZE, MatMul, Record, Trace, Value
from archc.operators.arrangement import Narrow
from archc.operators.join import Product
from archc.operators.rearrangement import MOST_AXES
from archc.operators.regularization import Identity
from archc.operators.source import Parameter, RepeatInterleave


class View:
    """A tensor that is `base` with its axes moved; `axes` are made of the base's atoms."""

    def __init__(self, base: Value, axes: list[Axis]) -> None:
        self.base, self.axes = base, axes


class Values:
    """Tensors of one run by identity, and the calls that made them."""

    def __init__(self, module: nn.Module) -> None:
        self.trace = Trace()
        self._tensors = dict([*module.named_parameters(), *module.named_buffers()])
        self._keys = {id(tensor): key for key, tensor in self._tensors.items()}
        self._makers: dict[Value, Record] = {}
        self._persistent = set(module.state_dict(keep_vars=True))
        self._values: dict[int, View] = {}
        self._fresh: dict[Value, Value] = {}
        self._moved: dict[tuple[Any, ...], Value] = {}
        self._kept_by: dict[int, torch.Tensor] = {}  # tensors by identity, so that none is used twice
        self._scopes = [""]
        self._stateful: set[str] = set()

    def input(self, name: str, shape: Sequence[int]) -> torch.Tensor:
        """A new input of this shape, without the batch."""
        tensor = torch.empty((BATCH_SIZE, *shape), device="meta")
        self.trace.inputs[name] = self.new(TensorType((BATCH, *shape)), tensor)
        return tensor

    def again(self, function: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The result of a function that is recorded as if the module called it."""
        raise NotImplementedError

    def record(self, value: Value) -> Record | None:
        """The record that made a value, if it is no input."""
        return self._makers.get(value)

    def tensor(self, key: str) -> torch.Tensor:
        """The tensor with this key."""
        return self._tensors[key]

    def constant(self, operator: Operator) -> Value:
        """The value of a source without a key."""
        return self._record(operator, [])

    def knows(self, tensor: object) -> bool:
        """True for a tensor that depends on an input or on a parameter."""
        return id(tensor) in self._values

    def view(self, tensor: torch.Tensor) -> View:
        """What is known of a tensor; parameters and constants become sources when they are first needed."""
        if id(tensor) not in self._values:
            self._source(tensor)
        return self._values[id(tensor)]

    def value(self, tensor: torch.Tensor) -> Value:
        """The value that a tensor is, with its axes in their places. Raises NoWord: the batch is part of an axis."""
        view = self.view(tensor)
        if ax.merges_batch(view.axes):
            raise NoWord("a size that is a product with the batch")
        return self._placed(view)

    def unmerged(self, tensor: torch.Tensor) -> Value:
        """The value with the batch in front, whatever it is merged with: for operators that work on the last axes."""
        view = self.view(tensor)
        if not ax.merges_batch(view.axes):
            return self._placed(view)
        return self._placed(View(view.base, ax.unmerged(view.axes)))

    def unmerged_as(self, tensor: torch.Tensor, like: torch.Tensor, own: int) -> Value:
        """The same, with the axes before the last `own` ones split as those of another tensor are."""
        return self._unmerged_as(self.view(tensor), self.view(like), own)

    def _unmerged_as(self, view: View, like: View, own: int) -> Value:
        axes, target = (ax.unmerged(v.axes) if ax.merges_batch(v.axes) else v.axes for v in (view, like))
        sizes = [ax.size_of(axis) for axis in (*target[:-own], *axes[len(axes) - own :])]
        fits = len(axes) != len(target) and prod(map(ax.size_of, axes)) == prod(sizes)
        return self._placed(View(view.base, (ax.reshaped(axes, sizes) if fits else None) or list(axes)))

    def give(self, operator: Operator, inputs: Sequence[Value], out: torch.Tensor, **known: Any) -> Value:
        """Record a call whose result is this tensor."""
        value = self._record(operator, inputs, **known)
        self._hold(out, View(value, self.trace.axes[value]))
        return value

    def give_like(
        self, operator: Operator, inputs: Sequence[Value], like: torch.Tensor, out: torch.Tensor, **known: Any
    ) -> None:
        """The same for an operator on the last axes: what the batch is merged with stays as it is in `like`."""
        axes = self.view(like).axes
        if len(axes) == 1 and not ax.merges_batch(axes):  # the batch alone
            self.give(operator, inputs, out, **known)
            return
        if any(atom.is_batch for atom in ax.expanded(axes[-1])):
            raise NoWord("a size that is a product with the batch")
        value = self.give(operator, inputs, out, **known)
        last = self.trace.axes[value][-1]
        before = ax.unmerged(axes) if ax.merges_batch(axes) else axes
        self.trace.axes[value] = [*before[:-1], last]
        self._hold(out, View(value, [*axes[:-1], last]))

    def move(self, out: torch.Tensor, view: View) -> None:
        """A tensor is another with its axes moved. It is written down at once, unless the batch is part of an axis, or
        there are too many for a pattern."""
        if not ax.merges_batch(view.axes) and len(view.axes) <= MOST_AXES:
            view = self._settled(view)
        self._hold(out, view)

    def keep_axes(self, out: torch.Tensor, value: Value, whole: list[Axis], apparent: list[Axis]) -> None:
        """A value's axes are these, made of atoms that are known already; a tensor shows them as `apparent`."""
        self.trace.axes[value] = whole
        self._hold(out, View(value, apparent))

    def matmul(self, x: torch.Tensor, y: torch.Tensor, out: torch.Tensor) -> None:
        """A product of matrices over the last two axes; `y` is kept turned round as well."""
        view = self.view(y)
        turned = View(view.base, [*view.axes[:-2], view.axes[-1], view.axes[-2]])
        like = self.view(x)
        self.give_like(
            MatMul(), [self.unmerged(x), *(self._unmerged_as(each, like, 2) for each in (view, turned))], x, out
        )

    def zero(self, part: torch.Tensor) -> bool:
        """A slice of a vector is set to zero: every tensor that is this vector is multiplied from here on."""
        view = self.view(part)
        record = self._makers[view.base]
        if not isinstance(record.operator, Narrow) or part.ndim != 1:
            return False
        whole, length = record.inputs[0], record.operator.length
        (size,) = self.trace.types[whole].shape
        start = record.operator.start
        if not isinstance(size, int) or size % length or start % length:
            return False
        kept = [0.0 if index * length == start else 1.0 for index in range(size // length)]
        mask = self._record(RepeatInterleave(input=tuple(kept), repeats=length), [])
        value = self._record(Product(), [whole, mask])
        for key, held in self._values.items():
            if held.base == whole and not isinstance(self._kept_by.get(key), nn.Parameter):
                self._values[key] = View(value, self.trace.axes[value])
        return True

    def alias(self, out: torch.Tensor, tensor: torch.Tensor) -> None:
        """A tensor is the same value as another."""
        self._hold(out, self.view(tensor))

    def keys_of(self, tensors: Mapping[str, object]) -> dict[str, str] | None:
        """The keys of tensors by their names, without those that are None; None if one is no tensor of the module."""
        given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        if not all(id(tensor) in self._keys for tensor in given.values()):
            return None
        return {name: self._keys[id(tensor)] for name, tensor in given.items()}

    def _afresh(self, value: Value) -> Value:
        """The same value, whose axes are not known to be made of others."""
        if value not in self._fresh:
            self._fresh[value] = self._record(Identity(), [value], afresh=True)
        return self._fresh[value]

    def new(self, type: TensorType, tensor: torch.Tensor | None = None) -> Value:
        """A new value, which a tensor may be."""
        value = self.trace.new(type)
        if tensor is not None:
            self._hold(tensor, View(value, self.trace.axes[value]))
        return value

    def _hold(self, tensor: torch.Tensor, view: View) -> None:
        self._values[id(tensor)] = view
        self._kept_by[id(tensor)] = tensor

    def _record(self, operator: Operator, inputs: Sequence[Value], *, afresh: bool = False, **known: Any) -> Value:
        try:
            (type, *_), weights = operator.typed(*[self.trace.types[value] for value in inputs])
        except ShapeError as error:
            raise NoWord(f"{operator.word} {error.message}") from None
        given = known.get("tensors") or {}
        lacking = [each.name for each in weights if each.name in operator.tensors and each.name not in given]
        if given and lacking:
            raise NoWord(f"{operator.word} without {' and '.join(lacking)}")
        value = self.trace.new(type)
        alike = next((each for each in inputs if self.trace.types[each].shape == type.shape), None)
        if alike is not None and not operator.moves and not afresh:
            self.trace.axes[value] = self.trace.axes[alike]
        record = Record(operator, list(inputs), value, self._scopes[-1], **known)
        if record.tensors and operator.arity != 0:
            owner = min(record.tensors.values())
            record.again = owner in self._stateful
            self._stateful.add(owner)
        self.trace.records.append(record)
        self._makers[value] = record
        return value

    def _source(self, tensor: torch.Tensor) -> None:
        given = tensor
        key = self._keys.get(id(tensor))
        if isinstance(tensor, nn.Parameter) and key is not None:
            operator: Operator = Parameter(shape=tuple(tensor.shape))
            known: dict[str, Any] = {"path": key, "tensors": {"": key}}
        else:
            if key is None and _is_alike(tensor):
                tensor = tensor[:1]
            operator = constant_of(tensor, persistent=key in self._persistent)
            known = {"path": key, "tensors": {"": key} if key in self._persistent else {}}
        value = self._record(operator, [], **known)
        axes = ax.reshaped(self.trace.axes[value], tensor.shape)
        assert axes is not None, "the shapes differ by axes of size 1"
        self._hold(given, View(value, axes))

    def reshaped(self, tensor: torch.Tensor, shape: Sequence[int]) -> View:
        """A tensor after a `view`. Raises NoWord: an axis is cut that holds the batch."""
        view = self.view(tensor)
        if _is_repeated(tensor, view) and shape[0] == BATCH_SIZE:
            shape = (1, *shape[1:])
        axes = ax.reshaped(view.axes, shape)
        if axes is None:  # an axis that was merged of others is cut elsewhere
            if ax.merges_batch(view.axes):
                raise NoWord("a view that cuts an axis which is a product with the batch")
            value = self._afresh(self._placed(view))
            axes = ax.reshaped(self.trace.axes[value], shape)
            if axes is None:
                raise NoWord(f"a view of {list(tensor.shape)} as {list(shape)}")
            view = View(value, axes)
        return View(view.base, axes)

    def _placed(self, view: View) -> Value:
        return self._settled(view).base

    def _settled(self, view: View) -> View:
        """A value with just these axes: the base, or what a record makes of it."""
        before, after = ([ax.expanded(axis) for axis in each] for each in (self.trace.axes[view.base], view.axes))
        if before == after:
            return View(view.base, self.trace.axes[view.base])
        if ax.names_needed(before, after) > MOST_AXES and (middle := ax.between(before, after)):
            return self._settled(View(self._settled(View(view.base, middle)).base, view.axes))
        if max(len(before), len(after)) > MOST_AXES:
            raise NoWord(f"more than {MOST_AXES} axes")
        known = (view.base, *map(tuple, after))
        if known not in self._moved:
            value = self._record(ax.movement(before, after), [view.base])
            self.trace.axes[value] = [tuple(axis) for axis in after]
            self._moved[known] = value
        value = self._moved[known]
        return View(value, self.trace.axes[value])

    def apply(self, operator: Operator, x: torch.Tensor, out: torch.Tensor, **known: Any) -> None:
        """Record a call with one input, whose result is `out`."""
        if works_on_last_axis(operator):  # pyright: ignore[reportArgumentType]  # it is frozen, and so has a hash
            self.give_like(operator, [self.unmerged(x)], x, out, **known)
        elif operator.tracks_statistics and ax.merges_batch(self.view(x).axes):
            self._give_channels(operator, x, out, **known)
        elif works_on_channels(operator, x.ndim) and ax.merges_batch(self.view(x).axes[:1]):  # pyright: ignore[reportArgumentType]
            self._give_images(operator, x, out, **known)
        elif ax.merges_batch(self.view(x).axes):
            raise NoWord(f"{operator.word} where other axes are merged with the batch")
        else:
            self.give(operator, [self.value(x)], out, **known)

    def _give_images(self, operator: Operator, x: torch.Tensor, out: torch.Tensor, **known: Any) -> None:
        """Record an operator on each channel by itself: what the batch is merged with is counted among the channels."""
        view = self.view(x)
        first, channels, *space = [ax.expanded(axis) for axis in view.axes]
        batch = tuple(atom for atom in first if atom.is_batch)
        others = (*(atom for atom in first if not atom.is_batch), *channels)
        value = self._record(operator, [self._placed(View(view.base, [batch, others, *space]))], **known)
        made = self.trace.axes[value][2:]
        self.keep_axes(out, value, [batch, others, *made], [*view.axes[:2], *made])

    def _give_channels(self, operator: Operator, x: torch.Tensor, out: torch.Tensor, **known: Any) -> None:
        """Record a norm of each channel over all else: what the batch is merged with is put behind the channels."""
        view = self.view(x)
        first, channels, *rest = [ax.expanded(axis) for axis in view.axes]
        if not any(atom.is_batch for atom in first):
            raise NoWord("a size that is a product with the batch")
        batch = tuple(atom for atom in first if atom.is_batch)
        others = tuple(atom for axis in (first, *rest) for atom in axis if not atom.is_batch)
        apart = [batch, channels, others]
        value = self._record(operator, [self._placed(View(view.base, list(apart)))], **known)
        self.keep_axes(out, value, apart, view.axes)


def _is_alike(tensor: torch.Tensor) -> bool:
    """True for a constant that is the same for each image."""
    return tensor.ndim > 1 and tensor.shape[0] == BATCH_SIZE and bool((tensor == tensor[:1]).all())


def _is_repeated(tensor: torch.Tensor, view: View) -> bool:
    """True for what has no batch, and was repeated over it."""
    return bool(view.axes) and not ax.expanded(view.axes[0]) and tensor.shape[0] == BATCH_SIZE


@lru_cache(4096)
def works_on_last_axis(operator: Operator) -> bool:
    """True for an operator to which all axes but the last are alike."""
    x = TensorType((BATCH, 4, 8))
    more = TensorType((BATCH, 2, 3, 5, 8))
    if operator.arity != 1 or operator.moves:
        return False
    try:
        one, other = operator.infer(x), operator.infer(more)
    except ShapeError:
        return False
    same = one.shape[:-1] == x.shape[:-1] and other.shape[:-1] == more.shape[:-1]
    same &= operator.weights(x) == operator.weights(more)  # those of a channel are another axis's
    return same and set(operator.windows(x)) <= {x.ndim - 1} and set(operator.windows(more)) <= {more.ndim - 1}


@lru_cache(4096)
def works_on_channels(operator: Operator, ndim: int) -> bool:
    """True for an operator without tensors that works on each channel of an image by itself, whatever their number."""
    few, many = (TensorType((BATCH, channels, *[64] * (ndim - 2))) for channels in (4, 12))
    if operator.arity != 1 or operator.moves or ndim < 3:
        return False
    try:
        found = [operator.infer(x) for x in (few, many)]
    except ShapeError:
        return False
    same = all(y.ndim == x.ndim and y.shape[:2] == x.shape[:2] for x, y in zip((few, many), found, strict=True))
    return (
        same and not operator.weights(few) and not {0, 1} & operator.windows(few).keys() and hasattr(operator, "axes")
    )
