"""Shows that an exported file computes the function of its network, against a float64 run of the PyTorch module."""

from typing import TYPE_CHECKING, Any

from archc.verification.report import Comparison, Report, Verdict

if TYPE_CHECKING:
    from archc.verification.check import verify

__all__ = ["Comparison", "Report", "Verdict", "verify"]


def __getattr__(name: str) -> Any:
    """`verify`, which imports PyTorch: the structure of a file can be held to its exporter meanwhile."""
    if name != "verify":
        raise AttributeError(name)
    from archc.verification.check import verify

    return verify
