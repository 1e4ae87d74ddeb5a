"""Finds blocks: the files of this folder, then other packages' entry points."""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TypeGuard

from archc.blocks._block import Block
from archc.ir.plug_ins import plug_ins

GROUP = "archc.blocks"

BLOCKS: tuple[str, ...] = tuple(
    sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
)
"""The words of the built-in blocks."""


def block_words() -> tuple[str, ...]:
    """Every block's word, those of other packages included."""
    return *BLOCKS, *(word for word in plug_ins(GROUP) if word not in BLOCKS)


def block_model(word: str) -> type[Block]:
    """The model of the block with this word.

    Raises KeyError for a word that is none, TypeError for a broken plug-in.
    """
    return _own(word) if word in BLOCKS else _added(plug_ins(GROUP)[word])


def blocks_elsewhere() -> dict[str, tuple[str, ...]]:
    """Words of other frameworks and of papers → the block that is meant."""
    return {other: (word,) for word in block_words() for other in block_model(word).elsewhere}


@cache
def _own(word: str) -> type[Block]:
    module = import_module(f"archc.blocks.{word}")
    return next(m for m in vars(module).values() if _is_block(m) and m.__module__ == module.__name__)


@cache
def _added(entry: EntryPoint) -> type[Block]:
    model: object = entry.load()
    if not _is_block(model):
        raise TypeError(f"the entry point '{entry.name}' of {GROUP} is not a subclass of archc.blocks.Block: {model!r}")
    return model


@cache
def block_word(model: type[Block]) -> str:
    """The word of a block's model: its entry point's name; else its file's, as that of archc's own."""
    package = model.__module__.partition(".")[0]
    for plug_in in plug_ins(GROUP).values():
        if plug_in.module.partition(".")[0] == package and plug_in.load() is model:
            return plug_in.name
    return model.__module__.rpartition(".")[2]


def _is_block(candidate: object) -> TypeGuard[type[Block]]:
    return isinstance(candidate, type) and issubclass(candidate, Block)
