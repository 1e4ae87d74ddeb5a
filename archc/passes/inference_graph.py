"""Leaves out what exists in training only: auxiliary heads, and what nothing else needs.

Ensures: no output is `training_only`, and every node contributes to an output.
"""

from __future__ import annotations

from archc.ir.graph import Graph
from archc.passes.run import Pass, is_inference

inference_graph = Pass("inference_graph", Graph.at_inference, ensures=is_inference)
