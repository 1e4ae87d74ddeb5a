"""Blocks written in Python: one file each, whose name is the word that a spec writes.

A block is a frozen Pydantic model of its fields and a method `expand` that reads like PyTorch's `forward`. Files whose
name begins with an underscore hold what several blocks share. Other packages add blocks through the entry-point group
`archc.blocks` (the entry point's name is the word, its object the class).
"""

from archc.blocks._block import Block, Expansion, Layer, LayerField
from archc.blocks._registry import BLOCKS, block_model, block_word, block_words, blocks_elsewhere

__all__ = [
    "BLOCKS",
    "Block",
    "Expansion",
    "Layer",
    "LayerField",
    "block_model",
    "block_word",
    "block_words",
    "blocks_elsewhere",
]
