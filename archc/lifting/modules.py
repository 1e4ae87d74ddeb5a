"""A module of torch.nn -> the operator that archc has for it, read from the operator's own text for PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import torch
from pydantic import ValidationError
from torch import nn

from archc.ir.operator import Operator
from archc.ir.types import TensorType
from archc.nn import layers
from archc.nn.prototypes import prototype
from archc.operators import operator_model, operator_words

OWN = {name: value for name, value in vars(layers).items() if isinstance(value, type)}
COMPARED = (bool, int, float, str, tuple, type(None))


class NoWord(Exception):
    """The language has no word for a module or function."""


@cache
def _models() -> dict[str, list[type[Operator]]]:
    """The operators that are modules, by the name of the class."""
    found: dict[str, list[type[Operator]]] = {}
    for model in map(operator_model, operator_words()):
        if model.arity == 1 and not model.is_expression():
            path = model.torch.partition("(")[0].rpartition(".")[2]
            axes = getattr(model, "axes", None)
            path = path.format(axes=axes) if axes else path.removesuffix("{axes}d")
            found.setdefault(path, []).append(model)
    return found


def operator_of(module: nn.Module, x: TensorType) -> Operator | None:
    """The operator that computes what a module does to a value of this type; None if the module is no layer.

    Raises NoWord: it is a layer of PyTorch with a setting that the language does not have.
    """
    names = [base.__name__ for base in type(module).__mro__ if _computes_as(module, base)]
    models = [model for name in names for model in _matching(name)]
    refused = None
    for model in models:
        try:
            return _read(model, module, x)
        except NoWord as error:
            refused = error
    if refused is not None and type(module).__module__.startswith("torch.nn.modules"):
        raise refused
    return None


def _matching(name: str) -> list[type[Operator]]:
    """The operators whose class has this name; those of several ranks have one class for all."""
    by_name = _models()
    if name in by_name:
        return by_name[name]
    if name.endswith(("1d", "2d", "3d")) and name[:-2] in by_name:
        return by_name[name[:-2]]
    return []


def _computes_as(module: nn.Module, base: type) -> bool:
    """True if the module's `forward` is that of a class of torch.nn, or of archc's own layers, or does the same.

    Classes of other libraries count where archc has one of that name which was made after them.
    """
    if base is nn.Module or not issubclass(base, nn.Module) or any(True for _ in module.children()):
        return False
    ours = OWN.get(base.__name__)
    if base.__module__.startswith("torch.nn.modules") or base is ours:
        return type(module).forward is base.forward and not _changes(module, base)
    return ours is not None and base is type(module) and _is_alike(base.__name__, module)


def _changes(module: nn.Module, base: type) -> bool:
    return getattr(type(module), "_conv_forward", None) is not getattr(base, "_conv_forward", None)


def _is_alike(name: str, module: nn.Module) -> bool:
    """True for torchvision's and timm's classes after which layers of archc are made."""
    return name in ("StochasticDepth", "LayerNorm2d") and type(module).__module__.startswith(("torchvision.", "timm."))


def drop_path(module: nn.Module) -> dict[str, Any] | None:
    """The fields of stochastic depth by rows, under the name that timm and many others have for it."""
    if type(module).__name__ != "DropPath" or not getattr(module, "scale_by_keep", True):
        return None
    rate = getattr(module, "drop_prob", None)
    return {"p": float(rate or 0.0)}


def _read(model: type[Operator], module: nn.Module, x: TensorType) -> Operator:
    fields = {name: _field(module, name) for name in model.model_fields if hasattr(module, name)}
    declared = [name for name, info in model.model_fields.items() if info.default is None and name in _DECLARED]
    fields = {name: value for name, value in fields.items() if name not in declared}
    operator = validated(model, fields)
    _compare(operator, module, x)
    return operator


_DECLARED = ("in_channels", "in_features", "num_features", "num_channels", "normalized_shape")
"""Fields that follow from the input."""


def validated(model: type[Operator], fields: Mapping[str, Any]) -> Operator:
    """The operator with these fields, without those that are not written. Raises NoWord: a value is refused."""
    given = {name: _plain(value) for name, value in fields.items() if value is not None or _is_value(model, name)}
    if "stride" in given and model.model_fields["stride"].default is None and _strides_by_its_size(given):
        del given["stride"]  # as nobody writes it
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][:1]))
        told = first["msg"].removeprefix("Value error, ")
        raise NoWord(f"{model.word}: {where} {told}" if where else f"{model.word}: {told}") from None


def _is_value(model: type[Operator], name: str) -> bool:
    """True where None says something else than that a field is not written."""
    info = model.model_fields[name]
    return info.default is not None and type(None) in get_args(info.annotation)


def _strides_by_its_size(given: Mapping[str, Any]) -> bool:
    """True for a window that moves on by its own size."""
    stride, size = (given.get(name) for name in ("stride", "kernel_size"))
    return _same(*(tuple(each) if isinstance(each, list) else each for each in (stride, size)))


def _field(module: nn.Module, name: str) -> Any:
    value = getattr(module, name)
    if name in ("bias", "affine", "elementwise_affine"):
        return value if isinstance(value, bool) else value is not None
    if name == "padding" and value == "valid":
        return 0
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Size | tuple | list):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, torch.Tensor) else value


def _compare(operator: Operator, module: nn.Module, x: TensorType) -> None:
    """Raise NoWord if the layer that archc would build has another setting than the module."""
    built = prototype(operator, (x,))
    theirs, ours = (_settings(each) for each in (module, built))
    for key in ours.keys() & theirs.keys():
        if _same(ours[key], theirs[key]):
            continue
        raise NoWord(f"{operator.word} has no {key}={theirs[key]!r}")


def _settings(module: nn.Module) -> dict[str, Any]:
    """Attributes that decide what a layer computes."""
    ignored = {"training", "inplace", "call_super_init"}
    known = {key: value for key, value in vars(module).items() if not key.startswith("_") and key not in ignored}
    return {key: value for key, value in known.items() if isinstance(value, COMPARED)}


def _same(ours: Any, theirs: Any) -> bool:
    one, other = (tuple(value) if isinstance(value, tuple) else (value,) for value in (ours, theirs))
    if len(one) != len(other):
        one, other = (value * max(len(one), len(other)) if len(value) == 1 else value for value in (one, other))
    return one == other or str in (type(ours), type(theirs))
