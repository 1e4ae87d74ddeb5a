"""How an operator's tensors start, against torch.nn's own fresh modules."""

from typing import Any

import numpy as np
import pytest
from torch import nn

from archc.ir.graph import Parameter
from archc.ir.initializers import Initializer
from archc.ir.operator import Weight
from archc.ir.types import BATCH, TensorType
from archc.operators import operator_model
from archc.weights import InitializedWeights

SIZE = (8, 6, 6)
MANY = 20_000  # draws: the largest of them is within 1 % of the bound, but for a chance of e^-100


def started(word: str, fields: dict[str, Any]) -> dict[str, np.ndarray]:
    """The fresh tensors of an operator over an image of 8x6x6."""
    weights: tuple[Weight, ...] = operator_model(word).model_validate(fields).weights(TensorType((BATCH, *SIZE)))
    assert all(isinstance(weight.initializer, Initializer) for weight in weights)
    parameters = [Parameter(w.name, w.shape, w.initializer, w.dtype, w.buffer) for w in weights]
    return dict(InitializedWeights(parameters, 0))


@pytest.mark.parametrize(
    ("word", "fields", "module"),
    [
        ("batch_norm", {}, nn.BatchNorm2d(8)),
        ("group_norm", {"num_groups": 2}, nn.GroupNorm(2, 8)),
        ("instance_norm", {"affine": True}, nn.InstanceNorm2d(8, affine=True)),
        ("layer_norm", {}, nn.LayerNorm(6)),
        ("layer_norm2d", {}, nn.LayerNorm(8)),
        ("rms_norm", {}, nn.RMSNorm(6)),
        ("prelu", {"num_parameters": 8}, nn.PReLU(8)),
    ],
)
def test_a_norm_or_slope_starts_as_pytorch_s(word: str, fields: dict[str, Any], module: nn.Module) -> None:
    expected = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    actual = started(word, fields)
    assert list(actual) == list(expected)
    for key, array in actual.items():
        np.testing.assert_array_equal(array, expected[key], key)


@pytest.mark.parametrize(
    ("word", "fields", "module"),
    [
        ("conv2d", {"out_channels": MANY, "kernel_size": [1, 3]}, nn.Conv2d(8, MANY, (1, 3))),
        ("conv2d", {"out_channels": MANY, "kernel_size": [2, 1], "groups": 4}, nn.Conv2d(8, MANY, (2, 1), groups=4)),
        ("conv_transpose2d", {"out_channels": MANY, "kernel_size": [1, 3]}, nn.ConvTranspose2d(8, MANY, (1, 3))),
        ("linear", {"out_features": MANY}, nn.Linear(6, MANY)),
    ],
)
def test_a_layer_starts_in_pytorch_s_interval(word: str, fields: dict[str, Any], module: nn.Module) -> None:
    actual = started(word, fields)
    for key, tensor in module.state_dict().items():
        for end in (np.min, np.max):
            np.testing.assert_allclose(end(actual[key]), end(tensor.numpy()), rtol=0.01, err_msg=key)
