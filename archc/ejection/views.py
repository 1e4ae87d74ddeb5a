"""Operators that only look at a tensor in another way, without the sizes that follow from others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.ir.operator import Operator
from archc.operators.arrangement import Flatten, Select
from archc.operators.rearrangement import Rearrange, parse


def view(operator: Operator, ndim: int) -> str:
    """The source of an operator of the value `x0` with so many axes; empty for one that is no view."""
    if isinstance(operator, Rearrange):
        return _split(operator) + "".join([*_reordered(operator), *_merged(operator)])
    if isinstance(operator, Flatten):
        end = "" if operator.end_dim == -1 else f", {operator.end_dim}"
        return f"x0.flatten({operator.start_dim}{end})"
    if isinstance(operator, Select):
        return f"x0[{':, ' * (operator.dim % ndim)}{operator.index}]"
    return ""


def _split(operator: Rearrange) -> str:
    """`torch.unflatten(x0, 2, (3, heads, -1))` for each axis that becomes several, and `.squeeze(1)` for one that goes.

    The method of tensors is not typed, the function is.
    """
    source, axis = "x0", 0
    for group in parse(operator.pattern).left:
        sizes = [str(operator.sizes.get(name, -1)) for name in group]
        if not group:
            source += f".squeeze({axis})"
        if len(group) > 1:
            sizes = sizes if "-1" in sizes else ["-1", *sizes[1:]]
            source = f"torch.unflatten({source}, {axis}, ({', '.join(sizes)}))"
        axis += len(group)
    return source


def _reordered(operator: Rearrange) -> Iterator[str]:
    """`.permute(…)`, or `.transpose(…)` where two axes change places."""
    pattern = parse(operator.pattern)
    order = [pattern.names.index(name) for group in pattern.right for name in group]
    moved = [place for place, axis in enumerate(order) if place != axis]
    if len(moved) == 2:
        yield f".transpose({moved[0]}, {moved[1]})"
    elif moved:
        yield f".permute({_listed(order)})"


def _merged(operator: Rearrange) -> Iterator[str]:
    """`.flatten(1, 2)` for axes that become one, and `.unsqueeze(1)` for each that is new."""
    groups = parse(operator.pattern).right
    for axis, group in enumerate(groups):
        following = sum(map(len, groups[axis + 1 :]))
        if not group:
            yield f".unsqueeze({axis})"
        if len(group) > 1:
            yield f".flatten({axis}{f', {axis + len(group) - 1}' if following else ''})"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
