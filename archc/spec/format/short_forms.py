"""Calls in their short form: `- relu` for a call without fields, `- linear: 10` for one with its first field alone."""

from __future__ import annotations

from collections.abc import Mapping

from archc.operators import is_operator, operator_model
from archc.spec.format.nodes import Group, Leaf, Node
from archc.spec.language.names import RESERVED


def shorten(root: Group) -> None:
    """Side effect: shortens every call of a document that means the same.

    A shared file may define any word. So only a spec that uses none says what the first field of a word is.
    """
    keys = root.values()
    knows_words = "use" not in keys and keys.keys() != {"blocks"}
    _shorten(root, _own_blocks(keys.get("blocks")), knows_words=knows_words)


def _own_blocks(blocks: Node | None) -> dict[str, str | None]:
    """The blocks that a spec defines -> their first parameter."""
    definitions = blocks.values() if isinstance(blocks, Group) else {}
    return {name: _first_parameter(definition) for name, definition in definitions.items()}


def _first_parameter(definition: Node) -> str | None:
    parameters = definition.values().get("parameters") if isinstance(definition, Group) else None
    return next(iter(parameters.values()), None) if isinstance(parameters, Group) else None


def _shorten(group: Group, own: Mapping[str, str | None], *, knows_words: bool) -> None:
    for part in group.parts:
        if isinstance(part.value, Group):
            _shorten(part.value, own, knows_words=knows_words)
            if not group.is_mapping:
                part.value = _short(part.value, own, knows_words=knows_words)


def _short(item: Group, own: Mapping[str, str | None], *, knows_words: bool) -> Node:
    """An item in its short form."""
    call = item.parts[0] if item.is_mapping and len(item.parts) == 1 else None
    if call is None or call.key is None or item.anchor or item.has_comments or not _is_plain_call(call.key, own):
        return item
    fields = call.value
    if isinstance(fields, Group) and fields.is_mapping and not fields.anchor:
        if not fields.parts:
            return call.key
        (name, value), *others = fields.values().items()
        is_first = knows_words and not others and name == _first_field(call.key.text, own)
        if is_first and isinstance(value, Leaf) and not value.is_alias and value.text != "null":
            call.value = value
    return item


def _is_plain_call(word: Leaf, own: Mapping[str, str | None]) -> bool:
    return (
        word.is_text and not word.anchor and word.text not in RESERVED and (word.text in own or is_operator(word.text))
    )


def _first_field(word: str, own: Mapping[str, str | None]) -> str | None:
    if word in own:
        return own[word]
    model = operator_model(word)
    return None if model.not_short_for else next(iter(model.model_fields), None)
