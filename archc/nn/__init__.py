"""Graph -> torch.nn.Module: nested modules named by path, with the forward methods that a person would have written."""

from archc.nn.build import build_module

__all__ = ["build_module"]
