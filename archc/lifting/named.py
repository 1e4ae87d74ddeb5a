"""Functions of PyTorch with the name of an operator, whose fields are the function's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from archc.ir.operator import Operator
from archc.lifting import axes as ax
from archc.lifting.modules import validated
from archc.lifting.values import Values
from archc.operators import operator_model

Handler = Callable[[Values, Sequence[Any], Mapping[str, Any], Any], bool]

ARGUMENTS = {
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
_IGNORED = ("input", "weight", "bias", "running_mean", "running_var", "inplace", "num_features", "normalized_shape")


def bound(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name."""
    if name in ARGUMENTS:
        return {**dict(zip(ARGUMENTS[name].split(), args, strict=False)), **kwargs}
    function = getattr(functional, name, None)
    if function is not None and hasattr(function, "__code__"):
        return dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    return {"input": args[0] if args else kwargs.get("input"), **({"rest": args[1:]} if args[1:] else {}), **kwargs}


def named(word: str) -> Handler:
    """A function that has the name and the arguments of an operator."""

    def handle(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        model = operator_model(word)
        given = bound(word, args, kwargs)
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
    """The module whose tensors these are, under the names that a layer has for them."""
    owners = {key.rpartition(".")[0] if key.endswith(name) else None for name, key in keys.items()}
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
