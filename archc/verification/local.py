"""Which nodes compute every pixel from a window around it: these are compared on small images."""

from __future__ import annotations

from collections.abc import Sequence

from archc.ir.graph import Node

STEP = 12
"""Sizes keep their remainder of a division by it, and by every usual stride: rows are left over as in the network."""


def is_local(nodes: Sequence[Node]) -> bool:
    """True for a convolution, alone or with the batch norm that is folded into it, whose kernel fits a small image."""
    if not nodes or nodes[0].operator.linear_axis != 1:
        return False
    convolution, *folded = nodes
    windows = convolution.operator.windows(convolution.inputs[0].type).values()
    fits = all(each.extent is not None and each.extent <= STEP for each in windows)
    steps = all(each.stride is not None and STEP % each.stride == 0 for each in windows)
    return fits and steps and all(node.operator.tracks_statistics for node in folded)


def smaller(size: int) -> int:
    """A size between one and two steps that leaves the same remainder; one that is smaller stays."""
    return min(size, STEP + size % STEP)
