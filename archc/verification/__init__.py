"""Shows that an exported file computes the function of its network, against a float64 run of the PyTorch module."""

from archc.verification.check import verify
from archc.verification.report import Comparison, Report, Verdict

__all__ = ["Comparison", "Report", "Verdict", "verify"]
