"""Which operators accept a value, and fields that they accept for it.

Sizes come from the operators' own shape rules. Excluded are only fields under which the output cannot depend on the
input, such as a softmax over one element: no comparison of numbers could tell such networks apart.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import Any

from hypothesis import strategies as st

from archc.ir.operator import Example, ShapeError
from archc.ir.types import BATCH, TensorType
from archc.operators import OPERATORS, operator_model

Draw = Callable[[st.SearchStrategy[Any]], Any]
Fields = dict[str, Any]

WINDOWS = tuple(
    f"{word}{axes}d" for word in ("conv", "max_pool", "avg_pool") for axes in (1, 2, 3)
)  # drawn three times as often as others
LEFT_OUT = ("identity", "sqrt", "log", "exp", "square")  # what others give may have no root, or grow without bound
UNARY = tuple(word for word in OPERATORS if operator_model(word).arity == 1 and word not in LEFT_OUT)
MOST_CHANNELS = 16
LARGEST_SIZE = 40
FEWEST_TO_NORMALISE = 6  # over two elements a norm is a sign, whose jumps no tolerance can follow


def sizes(x: TensorType) -> tuple[int, ...]:
    """The sizes beside the batch, none of which is dynamic here."""
    return tuple(size for size in x.shape[1:] if isinstance(size, int))


def infer(word: str, fields: Fields, *inputs: TensorType) -> TensorType:
    """The output's type. Raises ShapeError."""
    return operator_model(word).model_validate(fields).infer(*inputs)


def keep_the_shape() -> tuple[str, ...]:
    """The words of the operators whose output has its input's type, as far as their examples tell."""
    return tuple(word for word in UNARY if all(_keeps(word, example) for example in operator_model(word).examples))


def _keeps(word: str, example: Example) -> bool:
    x = TensorType((BATCH, *example.shapes[0]))
    return infer(word, dict(example.fields), x) == x


def applicable(x: TensorType) -> list[str]:
    """The words of the operators of one input that accept this value with some fields."""
    words = [word for word in UNARY if _accepts(word, x)]
    return [*words, *(word for word in WINDOWS if word in words), *(word for word in WINDOWS if word in words)]


def _accepts(word: str, x: TensorType) -> bool:
    if word not in _FIELDS:
        return bool(_examples(word, x)) and (word not in _CONDITIONS or _CONDITIONS[word](x))
    ranks = {len(shape) + 1 for example in operator_model(word).examples for shape in example.shapes}
    return x.ndim in ranks and (word not in _CONDITIONS or _CONDITIONS[word](x))


def _examples(word: str, x: TensorType) -> list[Fields]:
    """The fields of those of the operator's own examples that this value is accepted with, and that leave its batch."""
    accepted = []
    for example in operator_model(word).examples:
        with suppress(ShapeError):
            if infer(word, dict(example.fields), x).shape[:1] == x.shape[:1]:
                accepted.append(dict(example.fields))
    return accepted


def fields(draw: Draw, word: str, x: TensorType) -> Fields:
    """Fields of an operator for this input: drawn, or those of one of its examples."""
    return _FIELDS[word](draw, x) if word in _FIELDS else draw(st.sampled_from(_examples(word, x)))


def _optional(draw: Draw, **strategies: st.SearchStrategy[Any]) -> Fields:
    return {name: draw(strategy) for name, strategy in strategies.items() if draw(st.booleans())}


def each(draw: Draw, *numbers: int) -> int | list[int]:
    """A number for each axis, or one that stands for all."""
    return numbers[0] if len(set(numbers)) == 1 and draw(st.booleans()) else list(numbers)


def divisors(number: int) -> list[int]:
    """The divisors, from 1."""
    return [d for d in range(1, number + 1) if number % d == 0]


def _channels(draw: Draw, x: TensorType) -> tuple[int, int, int]:
    """Channels of the input and of the output, and groups."""
    channels = sizes(x)[0]
    groups = draw(st.sampled_from([d for d in divisors(channels) if d <= MOST_CHANNELS]))
    return channels, groups * draw(st.integers(1, max(1, MOST_CHANNELS // groups))), groups


def _conv(draw: Draw, x: TensorType) -> Fields:
    channels, out_channels, groups = _channels(draw, x)
    windows = [_window(draw, size, largest_padding=3) for size in sizes(x)[1:]]
    kernel, stride, padding, dilation = (each(draw, *numbers) for numbers in zip(*windows, strict=True))
    written = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1), "groups": (groups, 1)}
    return {
        "out_channels": out_channels,
        "kernel_size": kernel,
        **{name: value for name, (value, default) in written.items() if value != default or draw(st.booleans())},
        **_optional(draw, bias=st.booleans(), in_channels=st.just(channels)),
    }


def _window(draw: Draw, size: int, largest_padding: int | None = None, most_dilation: int = 3) -> tuple[int, ...]:
    """Kernel, stride, padding and dilation along one axis; without `largest_padding`, half the kernel."""
    kernel = draw(st.integers(1, min(5, size + 2)))
    limit = kernel // 2 if largest_padding is None else largest_padding
    least = max(0, -(-(kernel - size) // 2))
    padding = draw(st.integers(min(least, limit), min(limit, size)))
    room = size if largest_padding is None else size + 2 * padding
    widest = max(1, min(most_dilation, (room - 1) // max(kernel - 1, 1)))
    dilation = draw(st.integers(1, widest)) if kernel > 1 else 1
    return kernel, draw(st.integers(1, 3)), padding, dilation


def _conv_transpose(draw: Draw, x: TensorType) -> Fields:
    _, out_channels, groups = _channels(draw, x)
    kernel = draw(st.integers(2, 3))
    stride = draw(st.integers(1, 2))
    padding = draw(st.integers(0, 1)) if min(sizes(x)[1:]) > 1 else 0
    chosen = {"stride": stride, "padding": padding, "output_padding": draw(st.integers(0, stride - 1))}
    window = {name: value for name, value in chosen.items() if value != (name == "stride") or draw(st.booleans())}
    optional = _optional(draw, bias=st.booleans(), groups=st.just(groups))
    return {"out_channels": out_channels, "kernel_size": kernel, **window, **optional}


def _pool(draw: Draw, x: TensorType, most_dilation: int, *, over_padding: bool = True) -> Fields:
    """A pool whose window may be as long as the axis, with its padding or without."""
    windows = [_window(draw, min(size, 4), most_dilation=most_dilation) for size in sizes(x)[1:]]
    rooms = [size + 2 * p * over_padding for (_, _, p, _), size in zip(windows, sizes(x)[1:], strict=True)]
    fitting = [
        (min(k, room), s, min(p, min(k, room) // 2), d) for (k, s, p, d), room in zip(windows, rooms, strict=True)
    ]
    kernel, stride, padding, dilation = (each(draw, *numbers) for numbers in zip(*fitting, strict=True))
    chosen = {"kernel_size": kernel, "padding": padding, **_optional(draw, stride=st.just(stride))}
    dilated = {"dilation": dilation} if dilation != 1 and {*as_list(dilation)} != {1} else {}
    return {**chosen, **_optional(draw, ceil_mode=st.booleans()), **dilated}


def as_list(numbers: int | list[int]) -> list[int]:
    """A field of one number or several as a list."""
    return numbers if isinstance(numbers, list) else [numbers]


def _max_pool(draw: Draw, x: TensorType) -> Fields:
    return _pool(draw, x, most_dilation=3)


def _avg_pool(draw: Draw, x: TensorType) -> Fields:
    divided = {"divisor_override": st.integers(1, 9)} if x.ndim > 3 else {}
    return _pool(draw, x, 1, over_padding=x.ndim < 5) | _optional(draw, count_include_pad=st.just(False), **divided)


def _adaptive_avg_pool(draw: Draw, x: TensorType) -> Fields:
    return {"output_size": each(draw, *(draw(st.integers(1, min(size + 3, 12))) for size in sizes(x)[1:]))}


def _adaptive_max_pool(draw: Draw, x: TensorType) -> Fields:
    return {"output_size": each(draw, *(draw(st.sampled_from(divisors(size))) for size in sizes(x)[1:]))}


def _softmax(draw: Draw, x: TensorType) -> Fields:
    axes = [axis for axis, size in enumerate(sizes(x), 1) if size >= 3]
    axis = draw(st.sampled_from(axes))
    return {"dim": draw(st.sampled_from([axis, axis - x.ndim]))}


def _mean(draw: Draw, x: TensorType) -> Fields:
    axes = draw(st.lists(st.integers(1, x.ndim - 1), min_size=1, max_size=2, unique=True))
    dim = [draw(st.sampled_from([axis, axis - x.ndim])) for axis in axes]
    return {"dim": dim[0] if len(dim) == 1 else dim, **_optional(draw, keepdim=st.booleans())}


def _flatten(draw: Draw, x: TensorType) -> Fields:
    start = draw(st.integers(1, x.ndim - 1))
    return {"start_dim": start, **_optional(draw, end_dim=st.sampled_from([*range(start, x.ndim), -1]))}


def _permute(draw: Draw, x: TensorType) -> Fields:
    return {"dims": [0, *draw(st.permutations(range(1, x.ndim)))]}


def _narrow(draw: Draw, x: TensorType) -> Fields:
    axis = draw(st.integers(1, x.ndim - 1))
    size = sizes(x)[axis - 1]
    length = draw(st.integers(-(-size // 2), size))  # half of it at least, so that values do not vanish soon
    return {"dim": axis, "start": draw(st.integers(0, size - length)), "length": length}


def _select(draw: Draw, x: TensorType) -> Fields:
    axis = draw(st.integers(1, x.ndim - 1))
    return {"dim": axis, "index": sizes(x)[axis - 1] // 2}


def _pad(draw: Draw, x: TensorType) -> Fields:
    axes = draw(st.integers(1, min(3, x.ndim - 1)))
    room = [max(0, min(2, LARGEST_SIZE - size)) for size in reversed(sizes(x))]
    if axes == 3 or x.ndim == 2:
        room[x.ndim - 2] = max(0, min(2, MOST_CHANNELS - sizes(x)[0])) if x.ndim == 4 else room[x.ndim - 2]
    amounts = [draw(st.integers(0, room[axis // 2])) for axis in range(2 * axes)]
    return {"pad": amounts, **_optional(draw, value=st.sampled_from([0.5, -1.5, 0.0]))}


def _linear(draw: Draw, x: TensorType) -> Fields:
    chosen = _optional(draw, bias=st.booleans(), in_features=st.just(sizes(x)[-1]))
    return {"out_features": draw(st.integers(1, MOST_CHANNELS)), **chosen}


def _batch_norm(draw: Draw, x: TensorType) -> Fields:
    return _optional(
        draw, eps=st.sampled_from([1e-3, 0.1]), momentum=st.sampled_from([0.01, None]), affine=st.booleans(),
        num_features=st.just(sizes(x)[0]),
    )  # fmt: skip


def _group_norm(draw: Draw, x: TensorType) -> Fields:
    channels = sizes(x)[0]
    fitting = [d for d in divisors(channels) if prod(sizes(x)) // d >= FEWEST_TO_NORMALISE]
    chosen = _optional(draw, eps=st.sampled_from([1e-3, 0.1]), affine=st.booleans(), num_channels=st.just(channels))
    return {"num_groups": draw(st.sampled_from(fitting)), **chosen}


def _layer_norm(draw: Draw, x: TensorType) -> Fields:
    return _optional(
        draw, eps=st.sampled_from([1e-3, 0.1]), elementwise_affine=st.booleans(), bias=st.booleans(),
        normalized_shape=st.just(sizes(x)[-1]),
    )  # fmt: skip


def _local_response_norm(draw: Draw, x: TensorType) -> Fields:
    chosen = _optional(draw, beta=st.sampled_from([0.5, 1.0]), k=st.sampled_from([2.0, 0.5]))
    return {"size": draw(st.integers(1, 6)), "alpha": draw(st.sampled_from([1.0, 0.1])), **chosen}


_FIELDS: dict[str, Callable[[Draw, TensorType], Fields]] = {
    **{
        f"{word}{axes}d": drawn
        for word, drawn in (
            ("conv", _conv),
            ("conv_transpose", _conv_transpose),
            ("max_pool", _max_pool),
            ("avg_pool", _avg_pool),
            ("adaptive_avg_pool", _adaptive_avg_pool),
            ("adaptive_max_pool", _adaptive_max_pool),
        )
        for axes in (1, 2, 3)
    },
    "softmax": _softmax,
    "log_softmax": _softmax,
    "mean": _mean,
    "flatten": _flatten,
    "permute": _permute,
    "narrow": _narrow,
    "select": _select,
    "pad": _pad,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "local_response_norm": _local_response_norm,
    "channel_shuffle": lambda draw, x: {"groups": draw(st.sampled_from(divisors(sizes(x)[0])))},
    "prelu": lambda draw, x: _optional(draw, num_parameters=st.sampled_from([1, *sizes(x)[:1]])),
}

_CONDITIONS: dict[str, Callable[[TensorType], bool]] = {
    "softmax": lambda x: max(sizes(x)) >= 3,
    "log_softmax": lambda x: max(sizes(x)) >= 3,
    "layer_norm": lambda x: sizes(x)[-1] >= FEWEST_TO_NORMALISE,
    "group_norm": lambda x: prod(sizes(x)) >= FEWEST_TO_NORMALISE,
    "instance_norm": lambda x: prod(sizes(x)[1:]) >= FEWEST_TO_NORMALISE,
    "layer_norm2d": lambda x: sizes(x)[0] >= FEWEST_TO_NORMALISE,
    "rms_norm": lambda x: sizes(x)[-1] >= 3,
    **{f"conv_transpose{axes}d": lambda x: max(sizes(x)[1:]) <= LARGEST_SIZE // 3 for axes in (1, 2, 3)},
}
"""What must hold of an input so that the output depends on it, where the shape alone does not say it."""
