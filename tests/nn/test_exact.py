"""A float32 module in float64 gives what its converted copy gives, whole or piece by piece."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from archc.nn import exact
from archc.nn.exact import InFloat64


def both(module: nn.Module, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the module gives in float64, and its converted copy."""
    with torch.no_grad():
        with InFloat64():
            found = module(*inputs)
        return found, copy.deepcopy(module).double()(*[x.double() for x in inputs])


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "PIECE_BYTES", 1 << 11)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    "fields",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (5, 3), "padding": (2, 0), "stride": (3, 2)},
        {"kernel_size": 3, "padding": 4, "dilation": (4, 2), "bias": False},
        {"kernel_size": 7, "padding": 9, "stride": 2},
        {"kernel_size": 3, "padding": "same", "groups": 2},
        {"kernel_size": 3, "groups": 4, "stride": 5},
        {"kernel_size": 2, "padding": 1, "padding_mode": "reflect"},
        {"kernel_size": 1, "stride": 2},
    ],
)
@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_a_convolution_row_by_row_is_one_of_the_whole_image(fields: dict[str, Any], batch: tuple[int, ...]) -> None:
    found, wanted = both(nn.Conv2d(4, 8, **fields), torch.randn(*batch, 4, 23, 18))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(40,), (2, 40), (2, 5, 40)])
def test_a_linear_map_filter_by_filter_is_the_whole_map(bias: bool, shape: tuple[int, ...]) -> None:
    found, wanted = both(nn.Linear(40, 23, bias=bias), torch.randn(shape))
    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-13)


def test_the_memory_of_one_piece_at_a_time_is_bounded() -> None:
    rows: list[torch.Size] = []
    layer = nn.Conv2d(64, 2, 3, padding=1)
    with torch.no_grad(), InFloat64(), _Watch(rows):
        layer(torch.randn(1, 64, 256, 256))
    unfolded = [9 * 64 * (height - 2) * 256 * 8 for _, _, height, _ in rows]
    assert len(rows) > 1
    assert max(unfolded) <= exact.PIECE_BYTES


class _Watch(TorchDispatchMode):
    """Notes the shapes that convolutions are run on."""

    def __init__(self, shapes: list[torch.Size]) -> None:
        super().__init__()
        self._shapes = shapes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self._shapes.append(args[0].shape)
        return func(*args, **kwargs or {})


class Mixed(nn.Module):
    """Layers, functions, operators, methods and a buffer of integers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attention = nn.BatchNorm2d(6), nn.MultiheadAttention(6, 2, batch_first=True)
        self.scale = nn.Parameter(torch.randn(6))
        self.register_buffer("index", torch.tensor([1, 0, 2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.gelu(self.norm(x), approximate="tanh").flatten(2).transpose(1, 2)
        y = self.scale * self.attention(y, y, y, need_weights=False)[0] + 1
        return torch.cat([y[:, self.index], y.softmax(dim=-1)], dim=1).clamp_(min=0.1)


def test_everything_that_a_module_computes_is_in_float64() -> None:
    module = Mixed().eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    found, wanted = both(module, torch.randn(2, 6, 3, 4))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-13)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert {value.dtype for value in module.parameters()} == {torch.float32}
