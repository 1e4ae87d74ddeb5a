"""archc: compiles YAML descriptions of vision networks into PyTorch modules and verified ONNX files.

>>> import archc
>>> graph = archc.compile("resnet34", num_classes=10)
>>> model = archc.build("resnet34", weights="resnet34.safetensors")
>>> report = archc.export("resnet34", "resnet34.onnx", weights="resnet34.safetensors")

Everything that goes wrong with what it was given is an `archc.ArchcError`, of one of the kinds below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archc.version import VERSION

if TYPE_CHECKING:
    from archc.api import build, compile, diff, eject, export, lift, verify
    from archc.diagnostics import (
        ArchcError,
        BuildError,
        ExportError,
        Inconclusive,
        MissingDependency,
        SpecError,
        UsageError,
        VerificationFailed,
    )

__version__ = VERSION
__all__ = [
    "ArchcError",
    "BuildError",
    "ExportError",
    "Inconclusive",
    "MissingDependency",
    "SpecError",
    "UsageError",
    "VerificationFailed",
    "__version__",
    "build",
    "compile",
    "diff",
    "eject",
    "export",
    "lift",
    "verify",
]


def __getattr__(name: str) -> Any:
    # `archc --version` must not pay for what it does not use.
    if name not in __all__:
        raise AttributeError(f"module 'archc' has no attribute '{name}'")
    if name[0].isupper():
        from archc import diagnostics

        return getattr(diagnostics, name)
    from archc import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
