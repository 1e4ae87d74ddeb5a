"""Spec -> Graph: evaluates expressions, validates each call by its operator's or block's model, and expands."""

from archc.elaborate.elaborator import elaborate

__all__ = ["elaborate"]
