"""Functions and methods of PyTorch -> operators of the language.

A function of `torch.nn.functional` with the name of an operator has that operator's fields as arguments. All others
stand in tables, with the names of their arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from archc.ir.operator import Operator
from archc.lifting import axes as ax
from archc.lifting.compositions import COMPOSED
from archc.lifting.indexing import index, narrow, select, split, unbind
from archc.lifting.modules import NoWord, validated
from archc.lifting.moving import (
    attention,
    einsum,
    expand,
    matmul,
    permute,
    reshape,
    roll,
    swap_last,
    transpose,
    unsqueeze,
)
from archc.lifting.values import Values
from archc.operators import operator_model, operator_words
from archc.operators.arithmetic import Add, Mul, Sqrt, Square
from archc.operators.join import Concat, Product, Quotient, Sum
from archc.operators.linear import Linear
from archc.operators.padding import Pad

Handler = Callable[[Values, Sequence[Any], Mapping[str, Any], Any], bool]

SAME = ("contiguous", "clone", "detach", "to", "float", "type_as", "requires_grad", "alias", "positive")
"""Methods that give the same values."""

_ARGUMENTS = {
    "mean": "input dim keepdim", "amax": "input dim keepdim", "amin": "input dim keepdim",
    "softmax": "input dim", "log_softmax": "input dim", "clamp": "input min max",
    "leaky_relu": "input negative_slope", "gelu": "input approximate", "hardtanh": "input min_val max_val",
    "relu6": "input inplace", "elu": "input alpha", "pixel_shuffle": "input upscale_factor",
    "pixel_unshuffle": "input downscale_factor", "channel_shuffle": "input groups", "norm": "input p dim keepdim",
    "adaptive_avg_pool1d": "input output_size", "adaptive_max_pool1d": "input output_size",
    "adaptive_avg_pool2d": "input output_size", "adaptive_max_pool2d": "input output_size",
    "conv1d": "input weight bias stride padding dilation groups",
    "conv2d": "input weight bias stride padding dilation groups",
    "conv3d": "input weight bias stride padding dilation groups",
    "conv_transpose2d": "input weight bias stride padding output_padding groups dilation",
    "max_pool1d": "input kernel_size stride padding dilation ceil_mode",
    "max_pool2d": "input kernel_size stride padding dilation ceil_mode",
    "avg_pool1d": "input kernel_size stride padding ceil_mode count_include_pad",
    "avg_pool2d": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "linear": "input weight bias", "layer_norm": "input normalized_shape weight bias eps",
    "batch_norm": "input running_mean running_var weight bias training momentum eps",
    "group_norm": "input num_groups weight bias eps", "rms_norm": "input normalized_shape weight eps",
    "instance_norm": "input running_mean running_var weight bias use_input_stats momentum eps",
    "dropout": "input p training inplace", "dropout2d": "input p training inplace",
    "normalize": "input p dim eps", "pad": "input pad mode value",
    "interpolate": "input size scale_factor mode align_corners recompute_scale_factor antialias",
    "softplus": "input beta threshold", "prelu": "input weight", "var": "input dim correction keepdim",
    "local_response_norm": "input size alpha beta k", "unfold": "input kernel_size dilation padding stride",
}  # fmt: skip
_OTHER_NAMES = {"clip": "clamp", "boolean_dispatch": "max_pool2d", "max_pool2d_with_indices": "max_pool2d"}
_IGNORED = ("input", "weight", "bias", "running_mean", "running_var", "inplace", "num_features", "normalized_shape")


def _bound(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name."""
    if name in _ARGUMENTS:
        return {**dict(zip(_ARGUMENTS[name].split(), args, strict=False)), **kwargs}
    function = getattr(functional, name, None)
    if function is not None and hasattr(function, "__code__"):
        return dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    return {"input": args[0] if args else kwargs.get("input"), **({"rest": args[1:]} if args[1:] else {}), **kwargs}


def named(word: str) -> Handler:
    """A function that has the name and the arguments of an operator."""

    def handle(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        model = operator_model(word)
        given = _bound(word, args, kwargs)
        x = given.pop("input", None)
        if not isinstance(x, torch.Tensor) or not isinstance(out, torch.Tensor) or "rest" in given:
            return False
        if not model.inference and (not given.get("training", True) or given.get("p") == 0.0):
            tracer.alias(out, x)
            return True
        tensors = {tensor: given.get(tensor) for tensor in model.tensors if tensor in given}
        keys = tracer.keys_of({name: each for name, each in tensors.items() if isinstance(each, torch.Tensor)})
        if keys is None or any(each is not None and not isinstance(each, torch.Tensor) for each in tensors.values()):
            return False
        given |= {"ndim": x.ndim, "merged": ax.merges_batch(tracer.view(x).axes)}
        operator = validated(model, _fields(model, given, tensors))
        known = {"tensors": keys, "path": _owner(keys)} if keys else {}
        tracer.apply(operator, x, out, **known)
        return True

    return handle


def _owner(keys: Mapping[str, str]) -> str | None:
    owners = {key.rpartition(".")[0] for key in keys.values()}
    return owners.pop() if len(owners) == 1 else None


def _fields(model: type[Operator], given: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an operator from the arguments of the function of its name."""
    known = {name: value for name, value in given.items() if name in model.model_fields and name not in _IGNORED}
    weight = tensors.get("weight")
    if "out_channels" in model.model_fields and weight is not None:
        transposed = "output_padding" in model.model_fields
        groups = given.get("groups", 1)
        known |= {
            "kernel_size": list(weight.shape[2:]),
            "out_channels": weight.shape[1] * groups if transposed else weight.shape[0],
        }
    if "out_features" in model.model_fields and weight is not None:
        known["out_features"] = weight.shape[0]
    if "num_parameters" in model.model_fields and weight is not None:
        known["num_parameters"] = weight.numel()
    if "bias" in model.model_fields:
        known["bias"] = tensors.get("bias") is not None
    for field in ("affine", "elementwise_affine"):
        if field in model.model_fields:
            known[field] = weight is not None
    if "dim" in known and isinstance(known["dim"], int):
        last = known["dim"] == given["ndim"] - 1 and given["merged"]
        known["dim"] = -1 if last else known["dim"]
        known["dim"] = [known["dim"]] if "keepdim" in model.model_fields else known["dim"]
    if "stride" in known and known["stride"] in ([], ()):
        del known["stride"]
    return {name: _number(value, model, name) for name, value in known.items()}


def _number(value: Any, model: type[Operator], name: str) -> Any:
    annotation = str(model.model_fields[name].annotation)
    if isinstance(value, int) and not isinstance(value, bool) and "float" in annotation and "int" not in annotation:
        return float(value)
    return value


def _pairwise(
    model: type[Operator], scalar: type[Operator] | None, invert: Callable[[float], float] | None = None
) -> Handler:
    """`x + y`, `x * 2`."""

    def handle(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        if kwargs.get("alpha", 1) != 1 or kwargs.get("rounding_mode") or len(args) != 2:
            return False
        x, y = args
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
            if y.ndim == 0 and not tracer.knows(y) and not isinstance(y, torch.nn.Parameter):
                y = float(y)
            else:
                return _joined(tracer, model, x, y, out)
        if isinstance(y, torch.Tensor) and scalar is not None and invert is None:
            x, y = y, x
        if not isinstance(x, torch.Tensor) or not isinstance(y, int | float) or scalar is None:
            return False
        value = float(invert(y) if invert else y)
        tracer.apply(scalar.model_validate({"other": value}), x, out)
        return True

    return handle


def _joined(tracer: Values, model: type[Operator], x: torch.Tensor, y: torch.Tensor, out: torch.Tensor) -> bool:
    views = [tracer.view(each) for each in (x, y)]
    if not any(ax.merges_batch(view.axes) for view in views):
        tracer.give(model(), [tracer.value(x), tracer.value(y)], out)
        return True
    like = x if ax.merges_batch(views[0].axes) else y
    other = y if like is x else x
    if ax.merges_batch(tracer.view(other).axes) and tracer.view(other).axes[:-1] != tracer.view(like).axes[:-1]:
        raise NoWord("a size that is a product with the batch")
    tracer.give_like(model(), [tracer.unmerged(x), tracer.unmerged(y)], like, out)
    return True


def _subtract(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    x, y = args
    if isinstance(y, int | float) and isinstance(x, torch.Tensor):
        tracer.apply(Add(other=-float(y)), x, out)
        return True
    if isinstance(y, torch.Tensor):
        minus = torch.empty_like(y, device="meta")
        tracer.apply(Mul(other=-1.0), y, minus)
        if isinstance(x, torch.Tensor):
            return _joined(tracer, Sum, x, minus, out)
        tracer.apply(Add(other=float(x)), minus, out)
        return True
    return False


def _reverse_subtract(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    return _subtract(tracer, (args[1], args[0]), kwargs, out)


def _negative(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    tracer.apply(Mul(other=-1.0), args[0], out)
    return True


def _power(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    powers: dict[float, type[Operator]] = {2: Square, 0.5: Sqrt}
    if args[1] not in powers:
        return False
    tracer.apply(powers[args[1]](), args[0], out)
    return True


def _concat(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    tensors = args[0] if args else kwargs["tensors"]
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.ndim
    if len(tensors) == 1:
        tracer.alias(out, tensors[0])
        return True
    tracer.give(Concat(dim=dim), [tracer.value(each) for each in tensors], out)
    return True


def _pad(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    if not any(args[1] if len(args) > 1 else kwargs["pad"]):
        tracer.alias(out, args[0])
        return True
    return named(Pad.word)(tracer, args, kwargs, out)


def _linear(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A linear map; a bias that is computed is added."""
    given = _bound(Linear.word, args, kwargs)
    bias = given.get("bias")
    if bias is None or tracer.keys_of({"bias": bias}) is not None:
        return named(Linear.word)(tracer, args, kwargs, out)
    product = torch.empty_like(out, device="meta")
    named(Linear.word)(tracer, (given["input"], given["weight"]), {}, product)
    return _joined(tracer, Sum, product, bias, out)


def _zero(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """`x[a:b].zero_()` of a vector: it is multiplied by ones and zeros from here on."""
    return tracer.zero(args[0])


FUNCTIONS: dict[str, Handler] = {
    **{
        name: named(name)
        for name in operator_words()
        if hasattr(functional, name) or name in _ARGUMENTS or hasattr(torch.Tensor, name)
    },
    **{other: named(word) for other, word in _OTHER_NAMES.items()},
}
FUNCTIONS |= {
    "add": _pairwise(Sum, Add), "iadd": _pairwise(Sum, Add), "radd": _pairwise(Sum, Add),
    "mul": _pairwise(Product, Mul), "imul": _pairwise(Product, Mul), "rmul": _pairwise(Product, Mul),
    "multiply": _pairwise(Product, Mul),
    "div": _pairwise(Quotient, Mul, lambda y: 1 / y), "truediv": _pairwise(Quotient, Mul, lambda y: 1 / y),
    "itruediv": _pairwise(Quotient, Mul, lambda y: 1 / y),
    "sub": _subtract, "isub": _subtract, "rsub": _reverse_subtract, "neg": _negative, "pow": _power,
    "cat": _concat, "concat": _concat, "chunk": split, "split": split, "unbind": unbind, "tensor_split": split,
    "getitem": index, "narrow": narrow, "select": select, "roll": roll,
    "view": reshape, "reshape": reshape, "flatten": reshape, "unflatten": reshape, "squeeze": reshape,
    "permute": permute, "transpose": transpose, "swapaxes": transpose, "unsqueeze": unsqueeze,
    "T": swap_last, "mT": swap_last, "expand": expand, "expand_as": expand,
    "matmul": matmul, "bmm": matmul, "scaled_dot_product_attention": attention,
    "einsum": einsum, "pad": _pad, "linear": _linear, "zero": _zero, **COMPOSED,
}  # fmt: skip
FUNCTIONS.pop("parameter", None)

NORMS = tuple(word for word in operator_words() if hasattr(functional, word) and operator_model(word).normalizes)
"""Functions that give what they are given in shape. On meta tensors they take as long as a hundred others."""

MOVES = tuple(name for name, handler in FUNCTIONS.items() if handler in (reshape, permute, transpose, unsqueeze))
"""Functions that move the axes of a tensor."""
