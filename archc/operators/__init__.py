"""The operators: one class holds everything that archc knows of one, and each family of them is a file of this folder.

Other packages add operators through the entry-point group `archc.operators` (the entry point's name is the word, its
object the class). Files whose name begins with an underscore hold what several families share.

Pydantic needs a third of a millisecond to define a model, so a family is imported when a spec first uses one of its
words. Which words there are is read from the files' lines `word = "…"`, `elsewhere = (…)`, `arity = …` and
`branches = (…)`, which stand below each other.
"""

import re
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TypeGuard

from archc.ir.operator import Operator
from archc.ir.plug_ins import plug_ins

GROUP = "archc.operators"

_CLASS = re.compile(
    r'^    word = "(\w+)"\n(?:    elsewhere = \((.*)\)\n)?(?:    arity = (\w+)\n)?(?:    branches = \((.*)\)\n)?',
    re.MULTILINE,
)
_FAMILY_OF: dict[str, str] = {}
_ELSEWHERE: dict[str, tuple[str, ...]] = {}
_JOINS: list[str] = []
_BRANCHES: dict[str, tuple[str, ...]] = {}

for _file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    for _word, _others, _arity, _branches in _CLASS.findall(_file.read_text(encoding="utf-8")):
        _FAMILY_OF[_word] = _file.stem
        for _other in re.findall(r"\w+", _others):
            _ELSEWHERE[_other] = (*_ELSEWHERE.get(_other, ()), _word)
        _JOINS += [_word] if _arity == "None" else []
        if _branches:
            _BRANCHES[_word] = tuple(re.findall(r"\w+", _branches))

OPERATORS: tuple[str, ...] = tuple(_FAMILY_OF)
"""The words of archc's own operators."""

JOINS: tuple[str, ...] = tuple(_JOINS)
"""Those of two inputs or more, which a spec gives as a list of branches."""


def operator_words() -> tuple[str, ...]:
    """Every operator's word, those of other packages included."""
    return *OPERATORS, *(word for word in plug_ins(GROUP) if word not in _FAMILY_OF)


def operator_model(word: str) -> type[Operator]:
    """The class of the operator with this word.

    Raises KeyError for a word that is none, TypeError for a broken plug-in.
    """
    return _own(word) if word in _FAMILY_OF else _added(plug_ins(GROUP)[word])


@cache
def _own(word: str) -> type[Operator]:
    module = import_module(f"{__name__}.{_FAMILY_OF[word]}")
    return next(model for model in vars(module).values() if _is_operator(model, word))


@cache
def _added(entry: EntryPoint) -> type[Operator]:
    model: object = entry.load()
    if not _is_operator(model, entry.name):
        raise TypeError(f"the entry point '{entry.name}' of {GROUP} is no Operator with that word: {model!r}")
    return model


def _is_operator(candidate: object, word: str) -> TypeGuard[type[Operator]]:
    return isinstance(candidate, type) and issubclass(candidate, Operator) and getattr(candidate, "word", "") == word


def is_operator(word: str) -> bool:
    """True for the word of an operator, another package's included."""
    return word in _FAMILY_OF or word in plug_ins(GROUP)


def is_join(word: str) -> bool:
    """True for an operator of two inputs or more, another package's included."""
    return word in JOINS or (word in plug_ins(GROUP) and operator_model(word).arity is None)


def branch_fields(word: str) -> tuple[str, ...]:
    """The fields of an operator that hold branches, another package's included."""
    if word in _FAMILY_OF:
        return _BRANCHES.get(word, ())
    return operator_model(word).branches if word in plug_ins(GROUP) else ()


def join_words() -> tuple[str, ...]:
    """Every operator of two inputs or more, those of other packages included."""
    return tuple(filter(is_join, operator_words()))


def constant_words() -> tuple[str, ...]:
    """Every source that computes its values."""
    models = map(operator_model, operator_words())
    return tuple(model.word for model in models if model.arity == 0 and not model.tensors)


def known_elsewhere() -> dict[str, tuple[str, ...]]:
    """Words of other frameworks and of papers → the operators that may be meant."""
    known = dict(_ELSEWHERE)
    for word in operator_words()[len(OPERATORS) :]:
        for other in operator_model(word).elsewhere:
            known[other] = (*known.get(other, ()), word)
    return known
