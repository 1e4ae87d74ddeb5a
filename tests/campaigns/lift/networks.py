"""The networks of torchvision and timm that are lifted."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from math import inf
from typing import Any

import torch
from torch import nn

from tests.campaigns.compare.networks import torchvision_models

HEADS = ("googlenet", "inception_v3")
ARGUMENTS: dict[str, Any] = {name: {"init_weights": False, "transform_input": False} for name in HEADS}


def names(of_each_file: int) -> list[str]:
    """Torchvision's classifiers and segmentation networks; the smallest networks of each of timm's model files."""
    models = torchvision_models()
    found = [*models.list_models(module=models), *models.list_models(module=models.segmentation)]
    if find_spec("timm") is not None:
        timm = import_module("timm")
        for file in timm.list_modules():
            ordered = sorted(timm.list_models(module=file), key=_parameters)
            found += [f"timm/{name}" for name in ordered[:of_each_file]]
    return found


def _parameters(name: str) -> float:
    """Of one of timm's networks, which is built without memory; those that cannot be come last."""
    try:
        with torch.device("meta"):
            network = import_module("timm").create_model(name, pretrained=False)
        return float(sum(parameter.numel() for parameter in network.parameters()))
    except Exception:  # whatever timm raises
        return inf


def module(name: str) -> nn.Module:
    """A network with fresh weights."""
    library, _, model = name.rpartition("/")
    models = torchvision_models()  # which timm imports
    if library:
        found: nn.Module = import_module("timm").create_model(model, pretrained=False)
        return found
    segmentation = {"weights_backbone": None} if model in models.list_models(module=models.segmentation) else {}
    made: nn.Module = models.get_model(model, weights=None, **segmentation, **ARGUMENTS.get(model, {}))
    return made


def shape(module: nn.Module) -> tuple[int, ...]:
    """The images that a network is made for."""
    if type(module).__name__ == "Inception3":
        return (3, 299, 299)
    configuration: dict[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    return tuple(configuration.get("input_size", (3, 224, 224)))
