"""archc: compiles YAML descriptions of vision networks into PyTorch modules and verified ONNX files.

>>> import archc
>>> graph = archc.compile("resnet34", num_classes=10)
>>> model = archc.build("resnet34", weights="resnet34.safetensors")
>>> archc.export("resnet34", "resnet34.onnx", weights="resnet34.safetensors")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archc.pipeline.api import build, compile, export, verify

__version__ = "0.1.0"
__all__ = ["__version__", "build", "compile", "export", "verify"]


def __getattr__(name: str) -> Any:
    # `archc --version` must not pay for what it does not use.
    if name in __all__:
        from archc.pipeline import api

        return getattr(api, name)
    raise AttributeError(f"module 'archc' has no attribute '{name}'")
