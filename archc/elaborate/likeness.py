"""Operators that take a size from another value: `interpolate: {like: NAME}`."""

from __future__ import annotations

from collections.abc import Mapping

from archc.elaborate.arguments import Argument
from archc.elaborate.context import Context
from archc.ir.graph import Value
from archc.ir.operator import Operator, ShapeError
from archc.spec.language.expressions import UNKNOWN, Unknown
from archc.spec.language.items import Call
from archc.spec.tree import Scalar


def likened(
    model: Operator, call: Call, arguments: Mapping[str, Argument], inputs: tuple[Value, ...], context: Context
) -> Operator | Unknown:
    """The operator with the sizes of the value that it names, if it names one; what is wrong is recorded."""
    named = arguments.get(model.likens) if model.likens else None
    if named is None or not isinstance(named.tree, Scalar):
        return model
    like = context.marks.get(named.tree)
    if like is UNKNOWN:
        return UNKNOWN
    try:
        return model.likened(inputs[0].type, like.type)
    except ShapeError as error:
        context.refuse(error, model.word, call.word, named.tree.span, (inputs[0], like))
    return UNKNOWN
