"""Spec -> Graph: evaluates expressions, validates each call by its operator's or block's model, and expands."""

from archc.elaborate.context import Trace
from archc.elaborate.elaborator import elaborate
from archc.elaborate.likely import likely_mistakes
from archc.elaborate.unreached import unreached_problems

__all__ = ["Trace", "elaborate", "likely_mistakes", "unreached_problems"]
