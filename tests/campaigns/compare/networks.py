"""The networks of other libraries that have a bundled spec: torchvision's and timm's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn

from archc.spec.bundled import bundled_specs

# Operators of torchvision's compiled part, which no classifier runs; where it is missing, importing fails without them.
COMPILED = """nms qnms roi_align _roi_align_backward ps_roi_align _ps_roi_align_backward roi_pool _roi_pool_backward
ps_roi_pool _ps_roi_pool_backward deform_conv2d _deform_conv2d_backward"""
AUXILIARY = {"aux_logits": True, "init_weights": False, "transform_input": False}
SEGMENTATION: dict[str, Any] = {"weights_backbone": None}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "googlenet": AUXILIARY,
    "inception_v3": AUXILIARY,
    "fcn_resnet50": {**SEGMENTATION, "aux_loss": True},
    "deeplabv3_resnet50": {**SEGMENTATION, "aux_loss": True},
    "lraspp_mobilenet_v3_large": SEGMENTATION,
}


def names() -> list[str]:
    """The bundled specs with a counterpart."""
    known = set(torchvision_models().list_models())
    return [name for name in sorted(bundled_specs()) if name in known or name.startswith("timm/")]


def module(name: str) -> nn.Module:
    """The counterpart, with fresh weights."""
    library, _, model = name.rpartition("/")
    models = torchvision_models()  # which timm imports
    if library:
        found: nn.Module = import_module("timm").create_model(model)
    else:
        found = models.get_model(model, weights=None, **ARGUMENTS.get(model, {}))
    return found


def torchvision_models() -> Any:
    """`torchvision.models`, without the compiled operators where these are missing."""
    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        _kept.append(library)
        for operator in COMPILED.split():
            library.define(f"{operator}(Tensor x) -> Tensor")
    return import_module("torchvision").models


_kept: list[Any] = []  # what it defines goes when it goes
