"""The number of classes becomes a parameter of the spec."""

from __future__ import annotations

from collections.abc import Sequence

from archc.lifting.document import Document
from archc.lifting.items import Auxiliary, Call, Group, Item, Output, calls
from archc.operators import is_operator, operator_model

NAME = "num_classes"


def parametrize_classes(document: Document) -> None:
    """Give the width of the last linear map, and of others that are as wide and give outputs, a name."""
    heads = [call for call in calls(document.items) if _width_field(call)]
    if not heads:
        return
    last = heads[-1]
    count = last.fields[_width_field(last)]
    outputs = {item.gives for item in document.items if isinstance(item, Output)}
    if not isinstance(count, int) or not _is_last(document, last):
        return
    document.parameters[NAME] = f"int = {count}"
    for call in heads:
        field = _width_field(call)
        if call is last or (call.gives in outputs and call.fields[field] == count):
            call.fields[field] = f"${NAME}"


def _width_field(call: Call) -> str:
    if not is_operator(call.word) or operator_model(call.word).linear_axis is None:
        return ""
    return next(name for name in operator_model(call.word).model_fields if name.startswith("out_"))


def _is_last(document: Document, call: Call) -> bool:
    """True if nothing that follows has tensors or another input, so that the number is nobody else's business."""
    following = list(calls(document.items))
    after = following[following.index(call) + 1 :]
    return all(map(_is_plain, after)) and _is_unbranched(document.items, call)


def _is_plain(call: Call) -> bool:
    """True for an operator of one input without tensors."""
    return is_operator(call.word) and not operator_model(call.word).tensors and not call.branches


def _is_unbranched(items: Sequence[Item], call: Call) -> bool:
    """True if a call lies in no branch."""
    for item in items:
        inside = item.items if isinstance(item, Group) else [item.item] if isinstance(item, Auxiliary) else []
        if item is call or _is_unbranched(inside, call):
            return True
    return False
