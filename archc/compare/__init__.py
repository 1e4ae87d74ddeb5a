"""Compares a network with a `torch.nn.Module` that a person wrote: same keys, same function, same training step.

Nothing of a spec runs any Python; a person's module is Python, and runs as it is.
"""

from archc.compare.comparing import compare
from archc.compare.factory import load_factory
from archc.compare.report import Check, Comparison, Difference, Status, Verdict

__all__ = ["Check", "Comparison", "Difference", "Status", "Verdict", "compare", "load_factory"]
