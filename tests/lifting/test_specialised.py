"""What a spec was specialised to is said: sizes, ways through the module's Python, defaults, outputs of training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from archc.lifting import blocks, lift
from tests.lifting import networks

IMAGE = (3, 32, 32)


class Decides(nn.Module):
    """Looks at the size of its input, and at what it is given beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.body = nn.Conv2d(3, 8, 3), nn.Sequential(nn.Conv2d(8, 8, 1))

    def forward(self, x: Any, scale: float = 1.0, *, mask: Any = None) -> Any:
        y = self.body(self.conv(x)) * scale
        if x.shape[-1] > 30:
            y = functional.avg_pool2d(y, 2)
        return y if mask is None else y * mask


class Resizes(nn.Module):
    """A size that Python computes from that of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Any) -> Any:
        return functional.interpolate(self.conv(x), size=(x.shape[2] // 2, x.shape[3] // 2))


class Fixed(nn.Module):
    """Refuses every other size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: torch.Tensor) -> Any:
        if x.shape[-1] != 32:
            raise ValueError("32 pixels, please")
        return self.conv(x)


def test_other_sizes_at_which_a_spec_is_equal_are_told() -> None:
    assert lift(networks.Residual(), IMAGE).notes == ("equal at 3×3×16×20 and 2×3×16×20 too",)
    assert lift(nn.Sequential(nn.Linear(4, 2)), (4,)).notes == ()


def test_another_way_through_the_python_of_a_module_is_told() -> None:
    first, *defaults = lift(Decides(), IMAGE).notes
    assert first == "for 3×32×32, and not for 3×16×20: there the module does not call avg_pool2d"
    assert defaults == ["forward has run with scale=1.0", "forward has run with mask=None"]


def test_a_number_that_follows_from_the_size_is_told() -> None:
    (note,) = lift(Resizes(), IMAGE).notes
    told = "the size of interpolate is [8, 10] there, and 16 in the spec"
    assert note == f"for 3×32×32, and not for 3×16×20: {told}"


def test_a_size_that_the_module_refuses_is_told_with_its_reason() -> None:
    (note,) = lift(Fixed(), IMAGE).notes
    assert note.startswith("for 3×32×32, and not for 3×16×20: running the module there failed: ValueError: 32 pixels")


def test_an_output_of_training_is_told() -> None:
    assert "the output aux is given in training alone" in lift(networks.Auxiliary(), IMAGE).notes


def test_a_spec_without_blocks_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "snake_case", lambda name: "conv2d_" if name == "BasicBlock" else "1")
    assert "blocks:" in lift(networks.Residual(), IMAGE).text
    monkeypatch.setattr(blocks, "snake_case", lambda name: "not a name")
    found = lift(networks.Residual(), IMAGE)
    assert found.is_flat
    assert found.notes[0].startswith("no blocks, as archc wrote them wrongly: ")
