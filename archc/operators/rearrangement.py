"""Axes split, merged and reordered by a pattern, and elements picked by an index."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Positive
from archc.ir.operator import IMAGE, TOKENS, Operator, Range, ShapeError, cases, expect
from archc.ir.types import BATCH, Dim, SymbolicArithmeticError, SymbolicDim, TensorType

_SIDE = re.compile(r"\s*(?:\(\s*([a-z0-9_ ]*?)\s*\)|([a-z_][a-z0-9_]*|1))", re.IGNORECASE)
_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
MOST_AXES = 8
FIXED = "tokens and windows need fixed sizes: give height and width as numbers"
"""Help where a dynamic size cannot be split or merged."""

Groups = tuple[tuple[str, ...], ...]
"""The axes of one side of a pattern; each is a product of named ones."""


class Pattern(NamedTuple):
    """Both sides of a pattern."""

    left: Groups
    right: Groups

    @property
    def names(self) -> tuple[str, ...]:
        """The named axes of the left side, in order."""
        return tuple(name for group in self.left for name in group)


@lru_cache(1024)
def parse(pattern: str) -> Pattern:
    """Read `b (h p) w -> b h (p w)`. Raises ValueError: it is no pattern."""
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("there must be one '->', as in 'b c h w -> b (h w) c'")
    left, right = (tuple(_groups(side)) for side in sides)
    found = Pattern(left, right)
    for side in found:
        names = [name for group in side for name in group]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"the axis '{repeated}' stands twice on one side")
        if len(side) > MOST_AXES or len(names) > MOST_AXES:
            raise ValueError(f"there are more than {MOST_AXES} axes")
    _refuse_alone(*[[name for group in side for name in group] for side in found])
    return found


def _refuse_alone(left: list[str], right: list[str]) -> None:
    """Raise ValueError for a name that stands on one side; `(hw)` is told to be `(h w)`."""
    alone = [name for name in left if name not in right], [name for name in right if name not in left]
    for names, others, where in ((*alone, "left"), (*reversed(alone), "right")):
        for name in names:
            if meant := _apart(name, others):
                raise ValueError(f"the axis '{name}' stands on the {where} side alone: write ({meant})")
    for names, where in zip(alone, ("left", "right"), strict=True):
        if names:
            raise ValueError(f"the axis '{names[0]}' stands on the {where} side alone")


def _apart(name: str, others: Sequence[str]) -> str | None:
    """`h w` for `hw`, if these are axes that follow each other among the others."""
    runs = (others[start:end] for start in range(len(others)) for end in range(start + 2, len(others) + 1))
    return next((" ".join(run) for run in runs if "".join(run) == name), None)


def _groups(side: str) -> Iterator[tuple[str, ...]]:
    position, side = 0, side.rstrip()
    while position < len(side):
        match = _SIDE.match(side, position)
        if match is None:
            raise ValueError(f"'{side[position:].strip()}' cannot be read: an axis is a name, a 1 or (names)")
        names = tuple((match[1] if match[1] is not None else match[2]).split())
        names = tuple(name for name in names if name != "1")
        if wrong := next((name for name in names if not _NAME.fullmatch(name)), None):
            raise ValueError(f"an axis cannot be called '{wrong}'")
        yield names
        position = match.end()


def _pattern(value: object) -> object:
    if isinstance(value, str):
        parse(value)
    return value


class Rearrange(Operator):
    """Splits, reorders and merges axes by a pattern: `b (h p) (w q) c -> b (h w) (p q) c` cuts windows of p by q.

    Each name is an axis, brackets are an axis that is a product of some, and `1` is an axis of size 1. Sizes that do
    not follow from the input are fields: `{pattern: "b n (t h d) -> t b h n d", t: 3, h: 8}`. The batch stays an axis
    of its own.

    Source: Rogozhnikov 2022, "Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation";
    torch.reshape, torch.permute; ONNX Reshape-14, Transpose-13.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Positive] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    word = "rearrange"
    elsewhere = ("reshape", "view", "unflatten", "transpose", "split", "chunk")
    torch = "{x}{steps}"
    moves = True
    pattern: Annotated[str, BeforeValidator(_pattern), Field(max_length=200)]
    examples = (
        *cases({"pattern": "b c h w -> b (h w) c"}, {"pattern": "b (g c) h w -> b (c g) h w", "g": 2}),
        *cases({"pattern": "b c (h p) (w q) -> b (h w) (p q) c", "p": 3, "q": 11}),
        *cases({"pattern": "b n (t h d) -> t b h n d", "t": 2, "h": 2}, on=[TOKENS]),
        *cases({"pattern": "b n c -> b 1 n c"}, {"pattern": "b t c -> b t c"}, on=[TOKENS]),
        *cases({"pattern": "b c h w -> b h w c"}, {"pattern": "b c h w -> b c (w h)"}, on=[IMAGE]),
        *cases({"pattern": "b (g c) h w -> b g (c h) w", "g": 2}, on=[IMAGE]),
    )

    @property
    def sizes(self) -> Mapping[str, int]:
        """The sizes that are given, by axis."""
        return self.__pydantic_extra__ or {}

    def attributes(self) -> Mapping[str, object]:
        """The pattern and the sizes."""
        return {"pattern": self.pattern, **self.sizes}

    def infer(self, *inputs: TensorType) -> TensorType:
        """The sizes of the right side. Raises ShapeError: the pattern does not fit."""
        (x,) = inputs
        known = self.known(x)
        shape = tuple([self._product(group, known) for group in parse(self.pattern).right])
        for sizes in (known.values(), shape):  # each reshape works out one size
            new = [str(size) for size in sizes if isinstance(size, SymbolicDim) and size not in x.shape]
            expect(len(new) <= 1, f"cannot tell {' from '.join(new)}: both are dynamic", "pattern", FIXED)
        return x.with_shape(*shape)

    def known(self, x: TensorType) -> dict[str, Dim]:
        """The size of each named axis. Raises ShapeError: the left side does not fit the input."""
        pattern = parse(self.pattern)
        if unused := next((name for name in self.sizes if name not in pattern.names), None):
            help = f"the axes are {', '.join(pattern.names)}"
            raise ShapeError(f"has no axis '{unused}' in '{self.pattern}'", unused, help)
        fits = len(pattern.left) == x.ndim
        expect(fits, f"has {len(pattern.left)} axes on the left of '{self.pattern}', but receives {x}", "pattern")
        known: dict[str, Dim] = {}
        for group, size in zip(pattern.left, x.shape, strict=True):
            known |= self._split(group, size)
        return known

    def _split(self, group: tuple[str, ...], size: Dim) -> dict[str, Dim]:
        """The sizes of the names of one axis of the input."""
        given = {name: self.sizes[name] for name in group if name in self.sizes}
        open_names = [name for name in group if name not in given]
        shown = group[0] if len(group) == 1 else f"({' '.join(group)})" if group else "1"
        part = prod(given.values())
        if len(open_names) > 1:
            message = f"cannot tell the sizes of '{open_names[0]}' and '{open_names[1]}' in {shown}, which has {size}"
            raise ShapeError(message, "pattern", f"give one of them: {{pattern: …, {open_names[0]}: …}}")
        if isinstance(size, SymbolicDim):
            return {**given, **self._split_dynamic(size, part, open_names, shown)}
        if not open_names:
            expect(
                part == size,
                f"has {part} {'elements' if group else 'element'} for {shown}, but the axis has {size}",
                "pattern",
            )
            return dict(given)
        expect(size % part == 0, f"cannot split {size} into {shown}: it is no multiple of {part}", "pattern")
        return {**given, open_names[0]: size // part}

    def _split_dynamic(self, size: SymbolicDim, part: int, open_names: list[str], shown: str) -> dict[str, Dim]:
        """The size of the name that is open, behind which the others have `part` elements; every value divides."""
        is_batch = _is_batch(size)
        what = "the batch" if is_batch else f"the dynamic size {size}"
        divides = bool(open_names) and size.is_multiple_of(part)
        expect(divides, f"cannot split {what} into {shown}", "pattern", None if is_batch else FIXED)
        return {open_names[0]: size // part}

    def _product(self, group: tuple[str, ...], known: Mapping[str, Dim]) -> Dim:
        """The size of one axis of the output."""
        sizes = [known[name] for name in group]
        dynamic = [size for size in sizes if isinstance(size, SymbolicDim)]
        total = prod([size for size in sizes if isinstance(size, int)])
        if not dynamic:
            return total
        if len(dynamic) > 1 or (total != 1 and _is_batch(dynamic[0])):
            batch = next((name for name in group if _is_batch(known[name])), None)
            shown = "the batch" if batch else " and ".join(map(str, dynamic))
            help = _batch_apart(batch, [name for name in group if name != batch]) if batch else FIXED
            raise ShapeError(f"cannot merge {shown} in ({' '.join(group)})", "pattern", help)
        try:
            return dynamic[0] * total
        except SymbolicArithmeticError:
            raise ShapeError(f"cannot multiply the dynamic size {dynamic[0]} by {total}", "pattern") from None

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """An axis runs along all that its names come from."""
        pattern = parse(self.pattern)
        origin = {name: axis for axis, group in enumerate(pattern.left) for name in group}
        return tuple(tuple(dict.fromkeys(origin[name] for name in group)) for group in pattern.right)

    def _steps(self, x: TensorType) -> tuple[list[Dim], tuple[int, ...], list[Dim]]:
        """The shape after the axes are split, their new order, and the shape after they are merged.

        Where they stay in order nothing is split, as one reshape does it all.
        """
        pattern, known = parse(self.pattern), self.known(x)
        names, merged = list(pattern.names), list(self.infer(x).shape)
        order = tuple(names.index(name) for group in pattern.right for name in group)
        if order == tuple(range(len(order))):
            return list(x.shape), tuple(range(x.ndim)), merged
        return [known[name] for name in names], order, merged

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """`x.reshape(…).permute(…).reshape(…)`, without what changes nothing."""
        (x,) = inputs
        name = result = variables[0]
        split, order, merged = self._steps(x)
        if split != list(x.shape):
            result += f".reshape({_sizes(split, x.shape, name)})"
        if order != tuple(range(len(order))):
            result += f".permute{order}"
        if merged != [split[axis] for axis in order]:
            result += f".reshape({_sizes(merged, x.shape, name)})"
        return result

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Reshape, Transpose, Reshape, without what changes nothing."""
        split, order, merged = self._steps(x[0].type)
        y = _reshaped(b, x[0], split, x[0], "split")
        if order != tuple(range(len(order))):
            y = b.emit("Transpose", [y], y.type.with_shape(*(split[axis] for axis in order)), perm=order)
        return _reshaped(b, y, merged, x[0], "merged")


def _is_batch(size: Dim) -> bool:
    return isinstance(size, SymbolicDim) and size.symbol == BATCH.symbol


def _batch_apart(batch: str, others: Sequence[str]) -> str:
    """Help for a pattern that merges the batch with other axes."""
    written = f"({' '.join(others)})" if len(others) > 1 else others[0]
    return f"keep the batch apart, as in '{batch} {written}': linear, norms and attention work on the last axes"


def _sizes(shape: Sequence[Dim], given: Sequence[Dim], name: str) -> str:
    """The arguments of `reshape`: a dynamic size is that of an axis of the value `name`, or once -1, the rest."""
    dynamic = [size for size in shape if isinstance(size, SymbolicDim)]
    rest = next((size for size in dynamic if size not in given), dynamic[-1] if dynamic else None)
    return ", ".join("-1" if size == rest else _size(size, given, name) for size in shape)


def _size(size: Dim, given: Sequence[Dim], name: str) -> str:
    return str(size) if isinstance(size, int) else f"{name}.shape[{list(given).index(size)}]"


def _reshaped(b: Emitter, x: OnnxTensor, shape: Sequence[Dim], given: OnnxTensor, label: str) -> OnnxTensor:
    """A value in another shape, whose sizes are constants, 0 (that of the same axis) or once -1 (the rest).

    Where several dynamic sizes change their axes, they are asked for at run time, of the tensor `given`.
    """
    if list(x.type.shape) == list(shape):
        return x
    type = x.type.with_shape(*shape)
    kept = [axis < x.type.ndim and size == x.type.shape[axis] for axis, size in enumerate(shape)]
    sizes = [size if isinstance(size, int) else 0 if same else -1 for size, same in zip(shape, kept, strict=True)]
    if sizes.count(-1) <= 1:
        return b.emit("Reshape", [x, b.constant(label, sizes, INT64)], type)
    count = given.type.ndim
    numbers = sorted({size for size in shape if isinstance(size, int)} | {-1})
    asked = b.emit("Shape", [given], TensorType((count,), INT64))
    parts = [asked, b.constant("numbers", numbers, INT64)]
    pooled = b.emit("Concat", parts, TensorType((count + len(numbers),), INT64), axis=0)
    places = [_place(size, given.type.shape, numbers) for size in shape]
    sizes_at = b.emit("Gather", [pooled, b.constant(label, places, INT64)], TensorType((len(shape),), INT64), axis=0)
    return b.emit("Reshape", [x, sizes_at], type)


def _place(size: Dim, asked: Sequence[Dim], numbers: Sequence[int]) -> int:
    """Where a size stands behind the sizes asked for: a number, a dynamic size among them, or else -1 for the rest."""
    if isinstance(size, SymbolicDim) and size in asked:
        return list(asked).index(size)
    return len(asked) + numbers.index(size if isinstance(size, int) else -1)


class Gather(Operator):
    """The elements along `dim` that an index names: x[index], as for the bias of each pair of tokens.

    Shapes: x [..., K, ...] and index [*I] -> [..., *I, ...].
    Source: indexing in PyTorch; numpy.take; ONNX Gather-13.
    """

    word = "gather"
    elsewhere = ("index_select", "take")
    arity = 2
    branches = ("index",)
    torch = "{x}"
    moves = True
    dim: Annotated[int, Field(ge=-8, le=7)] = 0
    examples = (*cases({"dim": 1}, {"dim": -2}, on=[(9, 4)]), *cases({"dim": 2}, on=[(3, 9)]))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The index's axes in place of `dim`. Raises ShapeError: no such axis, or the index has no integers."""
        x, index = inputs
        expect(-x.ndim <= self.dim < x.ndim, f"dim (={self.dim}) is not an axis of {x}", "dim")
        expect(index.dtype == INT64, f"needs an index of integers, received {index}")
        axis = self.dim % x.ndim
        expect(isinstance(x.shape[axis], int), f"cannot pick from the dynamic size {x.shape[axis]}", "dim")
        return x.with_shape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])

    def check_ranges(self, inputs: Sequence[TensorType], ranges: Sequence[Range | None]) -> None:
        """Refuse an index that leaves the axis."""
        x, found = inputs[0], ranges[1]
        if found is not None:
            size, axis = x.shape[self.dim], self.dim % x.ndim
            message = f"has indices from {found.low} to {found.high}, but axis {axis} of {x} has {size} elements"
            expect(isinstance(size, int) and found.low >= 0 and found.high < size, message)

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """`x[index]`, with a colon for each axis before."""
        x, index = variables
        return f"{x}[{':, ' * (self.dim % inputs[0].ndim)}{index}]"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Gather."""
        return b.emit("Gather", x, b.output, axis=self.dim % x[0].type.ndim)
