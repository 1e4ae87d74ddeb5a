"""Spec -> a Python file that needs PyTorch alone, checked against the compiled network."""

from archc.ejection.ejecting import Ejected, eject_spec

__all__ = ["Ejected", "eject_spec"]
