"""Resizing by interpolation."""

from collections.abc import Mapping
from math import floor, frexp
from struct import pack, unpack
from typing import Literal, NamedTuple, Self, TypeVar

from pydantic import model_validator

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Factors, Sizes
from archc.ir.operator import TOKENS, Operator, ShapeError, Window, cases, expect, images
from archc.ir.types import ROUNDED, Dim, SymbolicArithmeticError, SymbolicDim, TensorType, largest, smallest
from archc.operators.adaptive_pooling import AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d


class _Mode(NamedTuple):
    """For how many axes of space a mode is, what ONNX calls it, and how many pixels of an axis it mixes."""

    spaces: tuple[int, ...]
    onnx: str
    pixels: int
    corners: bool = True  # it can have `align_corners`


_MODES = {
    "nearest": _Mode((1, 2, 3), "nearest", 1, corners=False),
    "nearest-exact": _Mode((1, 2, 3), "nearest", 1, corners=False),
    "linear": _Mode((1,), "linear", 2),
    "bilinear": _Mode((2,), "linear", 2),
    "bicubic": _Mode((2,), "cubic", 4),
    "trilinear": _Mode((3,), "linear", 2),
    "area": _Mode((1, 2, 3), "", 0, corners=False),
}
LONGEST = 1 << 16  # pixels along an axis: between neighbours float32 then has 256 steps
_Number = TypeVar("_Number", int, float)
_NONE = OnnxTensor("", TensorType(()))  # an input that is left out


class Interpolate(Operator):
    """The image at another size: scaled by a factor along each axis of space, or brought to a given size.

    `like` names a value that was marked, or an input, and the output has its size. Where corners are not aligned, a
    scale_factor says how far apart the pixels of the output lie, even if the rounded size is another.

    Shapes: x [N, C, *S] -> [N, C, *floor(S * scale_factor)], or [N, C, *size].
    Source: torch.nn.functional.interpolate, with recompute_scale_factor left out; ONNX Resize-13.
    """

    word = "interpolate"
    elsewhere = ("upsample", "upsampling", "resize")
    likens = "like"
    torch = (
        "torch.nn.functional.interpolate({x}, size={size}, scale_factor={scale_factor}, mode={mode}, "
        "align_corners={align_corners})"
    )
    scale_factor: Factors | None = None
    size: Sizes | None = None
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"] = "nearest"
    align_corners: bool | None = None
    antialias: bool = False
    like: str | None = None
    examples = (
        *cases({"scale_factor": 2}, {"scale_factor": [1.5, 0.7]}, {"size": [13, 5]}),
        *cases({"scale_factor": 1.7, "mode": "nearest-exact"}, {"size": [4, 20], "mode": "nearest-exact"}),
        *cases({"scale_factor": [2, 1.5], "mode": "bilinear"}, {"size": [5, 8], "mode": "bilinear"}),
        *cases({"size": [17, 7], "mode": "bilinear", "align_corners": True}),
        *cases({"scale_factor": 1.5, "mode": "bilinear", "align_corners": True}),
        *cases({"scale_factor": [3, 0.6], "mode": "bicubic"}, {"size": [14, 7], "mode": "bicubic"}),
        *cases({"size": [7, 20], "mode": "bicubic", "align_corners": True}),
        *cases({"size": [3, 11], "mode": "area"}, {"scale_factor": [0.34, 1], "mode": "area"}),
        *cases({"scale_factor": 3}, {"size": 12, "mode": "linear"}, {"size": 4, "mode": "area"}, on=[TOKENS]),
        *cases({"scale_factor": 2, "mode": "trilinear"}, {"size": [3, 5, 8]}, on=[(2, 3, 4, 5)]),
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if [self.scale_factor, self.size, self.like].count(None) != 2:
            raise ValueError("needs one of scale_factor, size and like")
        if self.align_corners is not None and not _MODES[self.mode].corners:
            raise ValueError(f"has no corners to align (align_corners) in the mode {self.mode}")
        if self.antialias:
            raise ValueError("cannot antialias: neither opset 17 nor TensorRT has a Resize that does")
        return self

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, *size].

        Raises ShapeError: the mode is for other ranks, nothing is left, or a dynamic size cannot be scaled so.
        """
        (x,) = inputs
        spaces = _MODES[self.mode].spaces
        if x.ndim - 2 not in spaces:
            accepted = " or ".join(images(ndim) for ndim in spaces)
            raise ShapeError(f"of mode {self.mode} expects {accepted}, received {x}", "mode")
        sizes = self.target(x)
        if self.mode == "area":
            return self._area(sizes).infer(x)
        if self.mode.startswith("nearest"):
            self._refuse_moving(x)
        return x.with_shape(*x.shape[:2], *sizes)

    def likened(self, x: TensorType, like: TensorType) -> "Interpolate":
        """With the size of `like`, or by whole factors where that is dynamic. Raises ShapeError."""
        expect(x.ndim == like.ndim > 2, f"cannot bring {x} to the size of {like}", "like")
        old, new = x.shape[2:], like.shape[2:]
        if all(isinstance(size, int) for size in new):
            return self.model_copy(update={"like": None, "size": new})
        factors = [largest(to) / largest(size) for size, to in zip(old, new, strict=True)]
        scaled = self.model_copy(update={"like": None, "scale_factor": tuple(factors)})
        message = f"cannot bring {x} to the size of {like}, which is dynamic: no whole number lies between them"
        expect(all(factor.is_integer() for factor in factors) and scaled.target(x) == new, message, "like")
        return scaled

    def target(self, x: TensorType) -> tuple[Dim, ...]:
        """The size of the output along each axis of space. Raises ShapeError: nothing is left, or it is too large."""
        sizes = self._sizes(x)
        longest = max(map(largest, sizes))
        expect(longest <= LONGEST, f"gives {longest} pixels, and float32 tells at most {LONGEST} apart")
        return sizes

    def _sizes(self, x: TensorType) -> tuple[Dim, ...]:
        if self.size is not None:
            return _for_each(self.size, x, "size")
        assert self.scale_factor is not None, "the validator sees to it"
        factors = _for_each(self.scale_factor, x, "scale_factor")
        return tuple([_scaled(size, factor) for size, factor in zip(x.shape[2:], factors, strict=True)])

    def _area(self, sizes: tuple[Dim, ...]) -> AdaptiveAvgPool1d | AdaptiveAvgPool2d | AdaptiveAvgPool3d:
        """What computes the mode `area`."""
        if any(isinstance(size, SymbolicDim) for size in sizes):
            raise ShapeError("of mode area has windows that depend on the size, which is dynamic", "mode")
        pools = (AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d)
        return pools[len(sizes) - 1].model_validate({"output_size": list(sizes)})

    def _refuse_moving(self, x: TensorType) -> None:
        if self.size is not None and any(isinstance(size, SymbolicDim) for size in x.shape[2:]):
            message = f"of mode {self.mode} picks pixels that depend on the size, but {x} is dynamic"
            raise ShapeError(message, "size", "write a scale_factor, or another mode")
        self._picked(x)

    def _steps(self, x: TensorType) -> list[float]:
        """How many pixels of the input lie between two of the output along each axis of space, at their largest."""
        if self.scale_factor is not None and not self.align_corners:
            return [1.0 / factor for factor in _for_each(self.scale_factor, x, "scale_factor")]
        return [largest(old) / largest(new) for old, new in zip(x.shape[2:], self.target(x), strict=True)]

    def _picked(self, x: TensorType) -> list[tuple[int, ...]]:
        """The nearest pixel to each of the output along each axis of space. Raises ShapeError: float32 decides it."""
        offset = 0.5 if self.mode == "nearest-exact" else 0.0
        picked = []
        for old, new, step in zip(map(largest, x.shape[2:]), map(largest, self.target(x)), self._steps(x), strict=True):
            in_double = [floor((i + offset) * step) for i in range(new)]
            in_single = [floor(_float32((i + offset) * _float32(step))) for i in range(new)]
            message = f"cannot bring {old} pixels to {new} in the mode {self.mode}: rounding decides which is nearest"
            expect(in_double == in_single, message, "mode", "take another size, or another mode")
            picked.append(tuple([min(pixel, old - 1) for pixel in in_double]))
        return picked

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The pixels that are mixed, where an axis changes its size; their step is at least one pixel."""
        sizes = self.target(x)
        if self.mode == "area":
            return self._area(sizes).windows(x)
        mixed = {}
        for axis, (old, new) in enumerate(zip(x.shape[2:], sizes, strict=True), 2):
            if old != new:
                extent = min(_MODES[self.mode].pixels, largest(old))
                mixed[axis] = Window(extent, max(1, largest(old) // largest(new)))
        return mixed

    def positions(self, x: TensorType) -> int:
        """Where pixels are mixed, those that are lie at positions along the longest axis."""
        return max(map(largest, x.shape[2:])) if _MODES[self.mode].pixels > 1 else 0

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """A size or a factor for each axis; PyTorch's `area` would work a size out while it is traced."""
        (x,) = inputs
        if self.mode == "area":
            return {"size": self.target(x), "scale_factor": None}
        given = {"size": self.size, "scale_factor": self.scale_factor}
        return {name: value and _for_each(value, x, name) for name, value in given.items()}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Resize by scales, or by sizes where a dynamic one is brought to a fixed one; or Gather.

        Nearest pixels are gathered unless they lie at whole or halved steps: runtimes round the others in many ways.
        """
        if self.mode == "area":
            return self._area(self.target(x[0].type)).onnx(b, *x)
        if self.mode.startswith("nearest") and not all(map(_is_exact, self._steps(x[0].type))):
            return self._gathered(b, x[0])
        coordinates = "asymmetric" if self.mode == "nearest" else "half_pixel"
        return b.emit(
            "Resize",
            [*x, _NONE, *self._scales_or_sizes(b, x[0])],
            b.output,
            mode=_MODES[self.mode].onnx,
            coordinate_transformation_mode="align_corners" if self.align_corners else coordinates,
            nearest_mode={"nearest": "floor", "nearest-exact": "round_prefer_ceil"}.get(self.mode),
            cubic_coeff_a=-0.75 if self.mode == "bicubic" else None,
        )

    def _gathered(self, b: Emitter, x: OnnxTensor) -> OnnxTensor:
        for axis, pixels in enumerate(self._picked(x.type), 2):
            shape = x.type.shape
            if pixels != tuple(range(largest(shape[axis]))):
                type = x.type.with_shape(*shape[:axis], len(pixels), *shape[axis + 1 :])
                x = b.emit("Gather", [x, b.constant("pixels", pixels, INT64)], type, axis=axis)
        return x

    def _scales_or_sizes(self, b: Emitter, x: OnnxTensor) -> list[OnnxTensor]:
        sizes = self.target(x.type)
        if self.size is not None and any(isinstance(size, SymbolicDim) for size in x.type.shape[2:]):
            kept = b.emit("Shape", [x], TensorType((2,), INT64), start=0, end=2)
            rank = TensorType((x.type.ndim,), INT64)
            return [_NONE, b.emit("Concat", [kept, b.constant("size", sizes, INT64)], rank, axis=0)]
        axes = zip(map(largest, x.type.shape[2:]), map(largest, sizes), self._steps(x.type), strict=True)
        return [b.constant("scales", [1.0, 1.0, *(_scale(old, new, 1 / step) for old, new, step in axes)])]


def _for_each(values: tuple[_Number, ...], x: TensorType, field: str) -> tuple[_Number, ...]:
    """One value for each axis of space. Raises ShapeError: there are neither as many nor one."""
    count = x.ndim - 2
    expect(len(values) in (1, count), f"has {len(values)} entries in {field}, but {x} has {count} axes of space", field)
    return values * count if len(values) == 1 else values


def _scaled(size: Dim, factor: float) -> Dim:
    """The size times a factor, rounded down as PyTorch does. Raises ShapeError."""
    try:
        scaled = floor(size * factor) if isinstance(size, int) else _scaled_symbol(size, factor)
    except SymbolicArithmeticError:
        message = f"cannot scale the dynamic size {size}, which was rounded before"
        raise ShapeError(message, "scale_factor", ROUNDED) from None
    expect(smallest(scaled) >= 1, f"leaves nothing of {size} pixels at scale_factor {factor}", "scale_factor")
    return scaled


def _scaled_symbol(size: SymbolicDim, factor: float) -> SymbolicDim:
    if factor >= 1 and factor.is_integer():
        return size * int(factor)
    message = f"cannot scale the dynamic size {size} by {factor}"
    help = "a dynamic size can be scaled by whole numbers, and by 1/2, 1/4, 1/8, …"
    expect(factor < 1 and frexp(factor)[0] == 0.5, message, "scale_factor", help)
    return size // int(1 / factor)


def _is_exact(step: float) -> bool:
    """True where `(i + offset) / scale` is rounded down alike by all runtimes: whole scales, and 1/2, 1/4, …"""
    return (1 / step).is_integer() or (step > 1 and frexp(step)[0] == 0.5)


def _scale(old: int, new: int, scale: float) -> float:
    """A scale as a float32 by which runtimes compute the size, whether in float32 or in float64."""
    single = _float32(scale)
    if {floor(old * single), floor(_float32(old * single))} == {new}:
        return single
    (bits,) = unpack("<i", pack("<f", single))
    (above,) = unpack("<f", pack("<i", bits + 1))
    return float(above)


def _float32(value: float) -> float:
    return float(unpack("<f", pack("<f", value))[0])
