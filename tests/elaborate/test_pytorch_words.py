"""Every word of PyTorch is one of ours, means one of ours, or is told as not supported."""

import pytest
import torch.nn.functional
from torch import nn

from archc.operators import known_elsewhere, operator_words
from archc.spec.language.names import RESERVED
from archc.spec.repair.pytorch import is_of_pytorch, plain, same_word
from tests.elaborate.specs import refusal

INTERNAL = ("torch.overrides", "torch._jit_internal", "torch.nn.modules.utils", "typing")
"""Modules of what torch.nn.functional imports for itself."""

CLASSES = [name for name, value in vars(nn).items() if isinstance(value, type)]
FUNCTIONS = [
    name
    for name, value in vars(torch.nn.functional).items()
    if callable(value) and not isinstance(value, type) and not name.startswith("_")
    and getattr(value, "__module__", "") not in INTERNAL
    and name != "assert_int_or_pair" and not name.startswith("has_torch_function")
]  # fmt: skip


def told(word: str) -> str:
    """The kind of what is told of a word, each of which is told for itself."""
    if word in operator_words() or word in RESERVED:
        return "exists"
    first, *_, last = refusal(f"- {word}").splitlines()
    if first.endswith(f"'{word}' is not supported by archc"):
        return "not supported"
    assert last.startswith("  = help: did you mean '"), last
    return last.removeprefix("  = help: did you mean '").removesuffix("'?")


@pytest.mark.parametrize("word", dict.fromkeys((*CLASSES, *FUNCTIONS)))
def test_a_word_of_pytorch_exists_means_another_or_is_not_supported(word: str) -> None:
    kind = told(word)
    if kind not in ("exists", "not supported"):
        others = {plain(other): ours for other, ours in known_elsewhere().items()}
        meant = {*others.get(plain(word), ()), same_word(word, operator_words())}
        assert kind in meant, "by its meaning, and not because the letters are alike"
    assert is_of_pytorch(word)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Conv2d", "conv2d"),
        ("LazyConv2d", "conv2d"),
        ("BatchNorm2d", "batch_norm"),
        ("SyncBatchNorm", "batch_norm"),
        ("LeakyReLU", "leaky_relu"),
        ("relu_", "relu"),
        ("ZeroPad2d", "pad"),
        ("Identity", "identity"),
        ("Sequential", "sequence"),
        ("LSTM", "not supported"),
        ("CosineSimilarity", "not supported"),
        ("grid_sample", "not supported"),
    ],
)
def test_what_a_word_of_pytorch_means(word: str, expected: str) -> None:
    assert told(word) == expected


def test_a_word_that_archc_gains_is_not_looked_up() -> None:
    head = "blocks: {lstm: {layers: [relu]}}"
    assert "did you mean 'lstm'?" in refusal("- LSTM", head)
