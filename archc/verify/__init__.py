"""Shows that an exported file computes the function of its network, against a float64 run of the PyTorch module."""

from archc.verify.check import verify
from archc.verify.report import Comparison, Report, Verdict

__all__ = ["Comparison", "Report", "Verdict", "verify"]
