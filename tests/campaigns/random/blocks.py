"""Fields of the Python blocks, and the type of their output."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from archc.ir.operator import ShapeError
from archc.ir.types import TensorType
from tests.campaigns.random.operators import MOST_CHANNELS, Draw, Fields, infer, sizes

ACTIVATIONS = ("relu", "silu", "leaky_relu", "hardswish", "tanh", "gelu")
NORMS = ("batch_norm", {"batch_norm": {"eps": 0.01}}, {"group_norm": 1}, "none")
MOST_COPIES = 2


def fields(draw: Draw, word: str, x: TensorType) -> tuple[Fields, TensorType]:
    """Fields of a block for these images; those with defaults are often left out."""
    return _FIELDS[word](draw, x)


def _layers(draw: Draw, **choices: tuple[Any, ...]) -> Fields:
    return {name: draw(st.sampled_from(layers)) for name, layers in choices.items() if draw(st.booleans())}


def _copies(draw: Draw) -> Fields:
    return {"count": MOST_COPIES} if draw(st.booleans()) else {}


def _conv_norm_act(draw: Draw, x: TensorType) -> tuple[Fields, TensorType]:
    channels = sizes(x)[0]
    kernel, stride, dilation = (draw(st.integers(1, 3)) for _ in range(3))
    groups = draw(st.sampled_from([1, channels] if channels <= MOST_CHANNELS else [1]))
    out_channels = groups * draw(st.integers(1, MOST_CHANNELS // groups))
    window = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    window, y = _fitting(window, out_channels, x)
    chosen = _layers(draw, norm=NORMS, activation=(*ACTIVATIONS, "none"))
    return {"out_channels": out_channels, **window, **chosen}, y


def _fitting(window: Fields, out_channels: int, x: TensorType) -> tuple[Fields, TensorType]:
    """The window, or one of a single pixel where a dimension of the input is too small for it."""
    padding = window["dilation"] * (window["kernel_size"] - 1) // 2
    try:
        return window, infer("conv2d", {"out_channels": out_channels, "padding": padding, **window}, x)
    except ShapeError:
        return _fitting({**window, "kernel_size": 1}, out_channels, x)


def _squeeze_excitation(draw: Draw, x: TensorType) -> tuple[Fields, TensorType]:
    gates = _layers(draw, activation=ACTIVATIONS, scale_activation=("sigmoid", "hardsigmoid"))
    return {"squeeze_channels": draw(st.integers(1, 6)), **gates}, x


def _basic(draw: Draw, x: TensorType) -> tuple[Fields, TensorType]:
    width, stride = draw(st.integers(1, MOST_CHANNELS)), draw(st.integers(1, 2))
    chosen: Fields = {"width": width, "stride": stride, **_layers(draw, norm=NORMS, activation=ACTIVATIONS)}
    if stride == 1 and width == sizes(x)[0]:
        chosen |= _layers(draw, shortcut=("auto", "identity", "projection"))
    return chosen | _copies(draw), _strided(x, width, stride)


def _bottleneck(draw: Draw, x: TensorType) -> tuple[Fields, TensorType]:
    width, expansion, stride = draw(st.integers(2, 8)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    chosen: Fields = {"width": width, "expansion": expansion, "stride": stride}
    chosen |= {"groups": 2, "width_per_group": 32} if draw(st.booleans()) else {}
    chosen |= _layers(draw, stride_at=("conv1", "conv2"), norm=NORMS, activation=ACTIVATIONS)
    return chosen | _copies(draw), _strided(x, width * expansion, stride)


def _strided(x: TensorType, channels: int, stride: int) -> TensorType:
    return infer("conv2d", {"out_channels": channels, "kernel_size": 3, "padding": 1, "stride": stride}, x)


_FIELDS = {
    "conv_norm_act": _conv_norm_act,
    "squeeze_excitation": _squeeze_excitation,
    "basic": _basic,
    "bottleneck": _bottleneck,
}
WORDS = tuple(_FIELDS)
