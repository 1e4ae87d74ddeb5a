"""Padding in ONNX."""

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.operator import MAX_SIZE
from archc.operators._reshape import slice_axis

_MODES = {"constant": "constant", "zeros": "constant", "reflect": "reflect", "replicate": "edge"}
"""PyTorch's modes → ONNX's; `circular` came as `wrap` with opset 19."""


def padded(
    b: Emitter, x: OnnxTensor, before: tuple[int, ...], after: tuple[int, ...], mode: str, value: float = 0.0
) -> OnnxTensor:
    """A tensor with margins before and after each axis."""
    if mode == "circular":
        return _wrapped(b, x, before, after)
    sizes = [size + (b + a) for size, b, a in zip(x.type.shape, before, after, strict=True)]
    filling = [b.constant("value", value)] if _MODES[mode] == "constant" else []
    inputs = [x, b.constant("pads", [*before, *after], INT64), *filling]
    return b.emit("Pad", inputs, x.type.with_shape(*sizes), mode=_MODES[mode])


def _wrapped(b: Emitter, x: OnnxTensor, before: tuple[int, ...], after: tuple[int, ...]) -> OnnxTensor:
    for axis, (front, back) in enumerate(zip(before, after, strict=True)):
        parts = [slice_axis(b, x, axis, -front, MAX_SIZE, front)] if front else []
        parts += [x, *([slice_axis(b, x, axis, 0, back)] if back else [])]
        if len(parts) > 1:
            shape = x.type.shape
            type = x.type.with_shape(*shape[:axis], shape[axis] + (front + back), *shape[axis + 1 :])
            x = b.emit("Concat", parts, type, axis=axis)
    return x
