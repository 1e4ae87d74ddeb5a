"""Documents whose structure is that of a spec, with random content.

They begin as valid specs or near-misses of tests/campaigns/random, of which a pool is drawn once: hypothesis takes as
long to draw one as a thousand edits take.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from archc.blocks import block_model, block_words
from archc.diagnostics import Source, SpecError
from archc.ir.operator import Operator
from archc.operators import OPERATORS, operator_model
from archc.spec.language.calls import CALL_KEYS
from archc.spec.tree import plain
from archc.spec.yaml.loader import load
from tests.campaigns.fuzz.texts import EXPRESSIONS, NUMBERS, WORDS
from tests.campaigns.random.near_misses import WRONG_ITEMS, near_misses
from tests.campaigns.random.networks import specs

Document = dict[str, Any]
Place = tuple[Any, Any]  # a mapping or list, and the key or index of a value in it

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
POOL = 300  # valid specs; and as many near-misses
EDITS = (0, 1, 1, 1, 2, 2, 4)
_PLAIN = re.compile(r"[A-Za-z$][\w$.-]*")  # a text that needs no quotes


def draw_pool(size: int = POOL) -> list[Document]:
    """Valid specs and near-misses, the same at every run."""
    texts: list[str] = []
    for strategy in (specs(), near_misses().map(lambda miss: miss.text)):

        @seed(size)
        @settings(max_examples=size, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=SLOW)  # fmt: skip
        @given(strategy)
        def collect(text: str) -> None:
            texts.append(text)

        collect()
    return [document for text in texts if (document := _data(text))]


def varied(random: Random, document: Document) -> bytes:
    """A document after up to a few edits, as text."""
    document = copy.deepcopy(document)
    for _ in range(random.choice(EDITS)):
        random.choice(_EDITS)(random, document)
    text = json.dumps(document) if random.random() < 0.2 else written(document)
    return text.encode("utf-8", "surrogatepass")


def written(data: Any, indent: str = "") -> str:
    """Plain data as YAML with one value a line."""
    if isinstance(data, dict) and data:
        return "".join(f"\n{indent}{_scalar(key)}: {written(value, indent + '  ')}" for key, value in data.items())
    if isinstance(data, list) and data:
        return "".join(f"\n{indent}- {written(value, indent + '  ')}" for value in data)
    return _scalar(data)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else json.dumps(value)


def _data(text: str) -> Document | None:
    try:
        data = plain(load(Source("random.yaml", text)))
    except SpecError:
        return None
    return data if isinstance(data, dict) else None


def _replace(random: Random, document: Document) -> None:
    owner, key = _place(random, document)
    owner[key] = random_value(random)


def _rename(random: Random, document: Document) -> None:
    owner, key = _place(random, document)
    if isinstance(owner, dict):
        owner[random.choice(WORDS)] = owner.pop(key)


def _delete(random: Random, document: Document) -> None:
    owner, key = _place(random, document)
    if len(owner) > 1:
        del owner[key]


def _insert(random: Random, document: Document) -> None:
    """Another item in a list, or another field in a mapping."""
    owner, key = _place(random, document)
    if isinstance(owner, list):
        owner.insert(key, copy.deepcopy(random.choice(WRONG_ITEMS)) if random.random() < 0.4 else _call(random))
    else:
        owner[random.choice(("count", "name", "init", *WORDS))] = random_value(random)


def _copy(random: Random, document: Document) -> None:
    """A value in the place of another, also within itself."""
    owner, key = _place(random, document)
    source, name = _place(random, document)
    owner[key] = copy.deepcopy(source[name])


def _wrap(random: Random, document: Document) -> None:
    """An item as a part of another."""
    owner, key = _place(random, document)
    item, depth = owner[key], random.randint(1, 30) if random.random() < 0.05 else 1
    for _ in range(depth):
        item = random.choice((
            {"sequence": [item]}, {"sum": [item, "identity"]}, {"concat": ["identity", item]}, [item], {"aux": item},
            {"when": random.choice(EXPRESSIONS), "then": item}, {"product": [[item], "sigmoid"]}, {"group": [item]},
            {"scope": {"layers": [item]}}, {"$layer": {"name": item}}, {"quotient": [item, "identity"]},
            {"concat": {"dim": random.randint(-2, 3), "branches": [item, "identity"]}}, {"gather": {"index": item}},
            {"attention": {"query": item, "key": "identity", "value": item, "bias": item}},
            {"sum": [item, _named(random)]},
        ))  # fmt: skip
    owner[key] = item


def _place(random: Random, document: Document) -> Place:
    """A random value of the document, deep ones as likely as others."""
    owner: Any = document
    key: Any = random.choice(list(document) or ["name"])
    document.setdefault(key, None)
    while random.random() < 0.75:
        value = owner[key]
        if not isinstance(value, dict | list) or not value:
            break
        owner, key = value, random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
    return owner, key


def random_value(random: Random, depth: int = 0) -> Any:
    """Any value: numbers at limits, words, expressions, lists, calls."""
    kind = random.randrange(7 if depth < 3 else 4)
    if kind == 0:
        return random.choice((None, True, False, 0, 1, -1, 2.5, 10**9, 2**31, 2**63 - 1, 2**63, 1e300, -0.0, ""))
    if kind == 1:
        return random.choice(NUMBERS)
    if kind == 2:
        return random.choice(EXPRESSIONS)
    if kind == 3:
        return random.choice(WORDS)
    if kind == 4:
        return [random_value(random, depth + 1) for _ in range(random.randint(0, 4))]
    if kind == 5:
        return {random.choice(WORDS): random_value(random, depth + 1) for _ in range(random.randint(0, 3))}
    return _call(random)


def _named(random: Random) -> Any:
    """An item that gives a value or an item a name, or uses one."""
    return {random.choice(("mark", "from", "share", "output")): random.choice(("a", "b", "mark_1", "item_1", "input"))}


def _call(random: Random) -> Any:
    """A call of an operator or block, with some of its own fields."""
    word = random.choice((*OPERATORS, *block_words()))
    model = operator_model(word) if word in OPERATORS else block_model(word)
    if random.random() < 0.1:  # a list as the first field
        return {word: [random_value(random, 2) for _ in range(4)] if random.random() < 0.5 else [0, 2, 3, 1]}
    if random.random() < 0.1:
        return _named(random)
    branches = model.branch_fields() if issubclass(model, Operator) else ()
    names = [*branches, *model.model_fields, *CALL_KEYS]
    fields = {name: random_value(random, 2) for name in random.sample(names, random.randint(0, min(3, len(names))))}
    return {word: {name: random.randint(1, 4) if random.random() < 0.7 else fields[name] for name in fields}}


_EDITS: tuple[Callable[[Random, Document], None], ...] = (
    _replace, _replace, _rename, _delete, _insert, _insert, _copy, _wrap,
)  # fmt: skip
