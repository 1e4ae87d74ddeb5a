"""What an operator is: one class that holds everything that archc knows of it.

The Pydantic model validates the fields that a spec writes and is the attribute record of the graph's node. The class
also knows shapes, tensors, cost and what an output sees, how PyTorch computes it (as text) and how ONNX does (through
the builder that it is handed). Concrete operators are in `archc.operators`; neither they nor this file import torch,
onnx or numpy.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from string import Formatter
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict

from archc.ir.dtype import FLOAT32, DType
from archc.ir.emitter import Emitter, NoLowering, OnnxTensor
from archc.ir.initializers import Initializer
from archc.ir.types import TensorType, batch_axis

MAX_SIZE = 2**63 - 1  # of an axis: what runtimes hold


class ShapeError(Exception):
    """An operator refused its inputs; `field` names the field to point at, if one is to blame."""

    def __init__(self, message: str, field: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.field, self.help = message, field, help
        self.path = ""  # of the operator; the builder fills it in


class Weight(NamedTuple):
    """A tensor that an operator owns: `name` below the operator's path, shape, and how it starts.

    With an empty name its key is the operator's path itself. `buffer` tells a `torch.nn` buffer (running statistics)
    from a parameter that an optimiser updates.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    dtype: DType = FLOAT32
    buffer: bool = False


class Computed(NamedTuple):
    """What a source computes from its fields alone: `values` in row-major order.

    It is a buffer; a `persistent` one has a key in a `state_dict`.
    """

    shape: tuple[int, ...]
    values: tuple[float, ...]
    dtype: DType = FLOAT32
    persistent: bool = False

    def nested(self) -> Any:
        """The values as nested lists of the shape."""
        found: list[Any] = list(self.values)
        for size in reversed(self.shape[1:]):
            found = [found[start : start + size] for start in range(0, len(found), size)]
        return found


class Range(NamedTuple):
    """The least and the greatest of the integers that a value may hold."""

    low: int
    high: int


class Window(NamedTuple):
    """What one element of an output sees along one axis of an input: extent and step, in elements of the input.

    The step is a fraction where the output is finer than the input.
    """

    extent: int | None
    stride: int | Fraction | None = 1


WHOLE = Window(None, None)  # the whole axis


class Example(NamedTuple):
    """Fields and input shapes (without the batch) that an operator accepts; every test of operators runs over them."""

    fields: Mapping[str, Any]
    shapes: tuple[tuple[int, ...], ...]


IMAGE, TOKENS, VECTOR = (6, 9, 11), (5, 8), (12,)
SIGNAL, VOLUME = (6, 20), (4, 6, 5, 7)


def cases(*settings: Mapping[str, Any], on: Sequence[tuple[int, ...]] = (IMAGE,)) -> tuple[Example, ...]:
    """An example for each of these settings of fields, on inputs of these shapes."""
    return tuple([Example(setting, tuple(on)) for setting in settings or ({},)])


class Operator(BaseModel):
    """One operation. Subclasses add the fields of the `torch.nn` module of that name and override what differs."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,  # most of what is defined together is not used by a spec
    )

    word: ClassVar[str]
    """What a spec writes."""
    elsewhere: ClassVar[tuple[str, ...]] = ()
    """What others call it: a spec that writes such a word is told this one."""
    examples: ClassVar[tuple[Example, ...]] = cases()

    arity: ClassVar[int | None] = 1
    """The number of inputs: 0 for a source, None for two or more."""
    branches: ClassVar[tuple[str, ...]] = ()
    """Fields of a spec that hold branches; what these give are the last inputs, in this order."""
    optional_branches: ClassVar[int] = 0
    """How many of the last branches may be left out."""
    likens: ClassVar[str | None] = None
    """The field that names another value, whose type `likened` puts into other fields."""
    not_short_for: ClassVar[str | None] = None
    """Set where a call has no short form: the field for which a number alone would be meant, and not for the first."""
    declares: ClassVar[str | None] = None
    """The field that only declares the size of the input: it is checked, and changes nothing."""
    tensors: ClassVar[tuple[str, ...]] = ()
    """The names that `weights` may give, but for counters. A tensor with an empty name has the operator's own key."""

    torch: ClassVar[str]
    """How PyTorch computes it: a module's constructor, or an expression.

    An expression has `{x}` (an input), `{xs}` (all of them) or `{own}` (the attribute of `self` that it is). A name in
    braces is replaced by the `repr` of the field, or of what `torch_values` gives.
    """
    functional: ClassVar[str] = ""
    """The same as an expression of `{x}` and its tensors, where these may have keys of their own (`{weight}`)."""

    inference: ClassVar[bool] = True
    """False: the identity outside training."""
    in_place: ClassVar[bool] = False
    """True: its module can overwrite its input (`inplace`)."""
    needs_output: ClassVar[bool] = True
    """False: its backward pass does not need its output, which may so be overwritten."""
    linear_axis: ClassVar[int | None] = None
    """Of a linear map with a `weight` and a field `bias`: the axis of the output along which its filters lie.

    A factor for each filter in `scaled_by`, and in the bias, is one of the output.
    """
    normalizes: ClassVar[bool] = False
    """True: `weight` and `bias`, if there are any, decide the scale of the output, whatever the input's."""
    tracks_statistics: ClassVar[bool] = False
    """True: it normalises by running statistics."""
    moves: ClassVar[bool] = False
    """True: it moves elements and computes none, so that they may be integers."""
    adds: ClassVar[bool] = False
    """True: a sum of its inputs, such as joins a residual branch."""
    multiplies: ClassVar[bool] = False
    """True: a product of its inputs, or a quotient: none of them decides the scale alone."""

    @classmethod
    def is_composite(cls) -> bool:
        """True if it joins branches, and so takes no part in naming."""
        return cls.arity is None or bool(cls.branches)

    @classmethod
    def branch_fields(cls) -> tuple[str, ...]:
        """The fields that hold branches; those of a join are a list."""
        return ("branches",) if cls.arity is None else cls.branches

    @classmethod
    def needed(cls) -> tuple[str, ...]:
        """The fields with branches that may not be left out."""
        return cls.branches[: len(cls.branches) - cls.optional_branches]

    @classmethod
    def takes_sizes(cls) -> bool:
        """True if there are further fields, with names of a spec's own, which are sizes."""
        return cls.model_config.get("extra") == "allow"

    @classmethod
    def takes(cls, count: int) -> bool:
        """True if it takes this many inputs."""
        return count >= 2 if cls.arity is None else cls.arity - cls.optional_branches <= count <= cls.arity

    def infer(self, *inputs: TensorType) -> TensorType:
        """Type of the output. Raises ShapeError."""
        return inputs[0]

    def infer_all(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """Types of all outputs, of an operator that has several. Raises ShapeError."""
        return (self.infer(*inputs),)

    def check_ranges(self, inputs: Sequence[TensorType], ranges: Sequence[Range | None]) -> None:
        """Raise ShapeError if integers of an input, where their range is known, do not go with the other inputs."""

    def typed(self, *inputs: TensorType) -> tuple[tuple[TensorType, ...], tuple[Weight, ...]]:
        """What `infer_all` and `weights` give, remembered for the next node of the kind. Raises ShapeError."""
        return _typed(self, inputs)  # pyright: ignore[reportArgumentType]  # it is frozen, and so has a hash

    def likened(self, x: TensorType, like: TensorType) -> "Operator":
        """The operator without its field `likens`, for an input `x` and the value that it names. Raises ShapeError."""
        return self

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The tensors that the operator owns, in `state_dict` order. Called after `infer` accepted the inputs."""
        return ()

    def computed(self) -> Computed | None:
        """The values of a source that computes them."""
        return None

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """Multiply-adds for one image (one multiply and one add count as one)."""
        return 0

    def positions(self, x: TensorType) -> int:
        """The largest position along an axis of an input that a kernel computes in float32, and rounds; 0 for none."""
        return 0

    @property
    def scaled_by(self) -> str | None:
        """The tensor whose filters scale the output of a linear map; None for others, or if none does."""
        return None if self.linear_axis is None else "weight"

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """What an element of the output sees along axes of an input; along others it sees one position."""
        return {}

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """For each axis of the output the axes of an input along which it runs."""
        return tuple([(axis,) for axis in range(x.ndim)])

    def per_filter(self, weight: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes, for `reshape`, in which a weight is multiplied by a factor for each filter: its own, and theirs.

        Of a linear map. Where both begin with -1, they are right for a slice of the filters too.
        """
        return (-1, *weight[1:]), (-1, *[1] * (len(weight) - 1))

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """What `torch` needs beside the fields."""
        return {}

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """The text of `torch`, filled in. `variables` name the inputs, `own` is the operator's attribute of `self`."""
        return self._filled(self.torch, inputs, variables, {"own": own})

    def functional_source(
        self, inputs: Sequence[TensorType], variables: Sequence[str], tensors: Mapping[str, str]
    ) -> str:
        """The text of `functional`, filled in; `tensors` are expressions by name, and others are None."""
        absent = dict.fromkeys(self.tensors, "None")
        return self._filled(self.functional, inputs, variables, {**absent, **tensors})

    def _filled(
        self, text: str, inputs: Sequence[TensorType], variables: Sequence[str], given: Mapping[str, str]
    ) -> str:
        values = self.torch_values(*inputs)
        names = [name for name in _names(text) if name not in given]
        filled = {name: repr(values[name] if name in values else getattr(self, name)) for name in names}
        return text.format(**filled, **given, x=next(iter(variables), ""), xs=", ".join(variables))

    @classmethod
    def is_expression(cls) -> bool:
        """True if PyTorch computes it in the enclosing `forward`, without a module of its own."""
        return bool(_VARIABLES & set(_all_names(cls.torch)))

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor | tuple[OnnxTensor, ...]:
        """Append what computes it in ONNX, and return its output or outputs.

        The ONNX operators used exist since opset 17 with the same meaning, unless the method looks at `b.opset`.
        Raises NoLowering: it cannot be written.
        """
        raise NoLowering(f"the operator {self.word} says nothing of ONNX")

    def operating_point(self) -> tuple[float, float] | None:
        """Mean and deviation of inputs that an activation mostly passes on, but that reach each of its bends."""
        return None

    def attributes(self) -> Mapping[str, Any]:
        """The fields that differ from their defaults, as a spec would write them."""
        return self.model_dump(exclude_defaults=True)


_VARIABLES = {"x", "xs", "own"}


@cache
def _all_names(text: str) -> tuple[str, ...]:
    return tuple([name for _, name, _, _ in Formatter().parse(text) if name])


@cache
def _names(text: str) -> tuple[str, ...]:
    """The names in braces that are replaced by values."""
    return tuple([name for name in _all_names(text) if name not in _VARIABLES])


def expect(condition: bool, message: str, field: str | None = None, help: str | None = None) -> None:
    """Raise ShapeError with the message unless the condition holds."""
    if not condition:
        raise ShapeError(message, field, help)


def expect_rank(x: TensorType, ndim: int, axes: str) -> None:
    """Raise ShapeError unless `x` has this rank; `axes` is how the expected shape is shown, such as `[N, C, H, W]`."""
    if x.ndim != ndim:
        raise ShapeError(f"expects {axes}, received {x}")


def expect_channels(x: TensorType) -> int:
    """The size of axis 1. Raises ShapeError: there is none, or it is dynamic, as after a permute of height or width."""
    if x.ndim < 2:
        raise ShapeError(f"expects [N, C, ...], received {x}")
    channels = x.shape[1]
    if isinstance(channels, int):
        return channels
    raise ShapeError(f"needs a fixed number of channels, but axis 1 of {x} is dynamic")


def expect_axis(x: TensorType, dim: int) -> int:
    """The axis `dim`, counted from the front. Raises ShapeError: there is none, or it is the batch."""
    expect(-x.ndim <= dim < x.ndim, f"dim (={dim}) is not an axis of {x}", "dim")
    expect(dim % x.ndim != batch_axis(x), f"dim (={dim}) is the batch axis", "dim")
    return dim % x.ndim


def expect_declared(declared: int | None, actual: object, field: str) -> None:
    """Raise ShapeError if a size that may be left out was declared and differs from what arrived."""
    if declared is not None:
        expect(declared == actual, f"declares {field}={declared}, but receives {actual}", field)


def images(ndim: int) -> str:
    """How a shape with channels and this many axes of space is shown: `[N, C, H, W]`."""
    return f"[N, C, {', '.join('DHW'[3 - ndim :] if ndim > 1 else 'L')}]"


@lru_cache(4096)
def _typed(operator: Operator, inputs: tuple[TensorType, ...]) -> tuple[tuple[TensorType, ...], tuple[Weight, ...]]:
    outputs = operator.infer_all(*inputs)
    for output in outputs:
        for dim in output.shape:  # doubled in every block, a size would grow without bound
            size = dim if isinstance(dim, int) else max(dim.scale, abs(dim.offset), dim.divisor)
            if size > MAX_SIZE:
                raise ShapeError(f"gives {output}, which has a size beyond 64 bits")
    return outputs, operator.weights(*inputs)
