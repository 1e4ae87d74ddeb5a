"""The fields that a spec may write for an operator, against torch.nn's own signatures."""

from inspect import Parameter, signature
from typing import Any

import pytest
from pydantic import ValidationError
from torch import nn

from archc.operators import OPERATORS, operator_model


def class_name(word: str) -> str:
    """The name of the module that an operator's text constructs; over images, where there are several."""
    model = operator_model(word)
    return model.torch.partition("(")[0].rpartition(".")[2].replace("{axes}", str(getattr(model, "axes", 2)))


INFERRED = {"in_channels", "in_features", "num_features", "num_channels", "normalized_shape"}
ADDED = {"standardize"}
"""Fields that torch.nn does not have: nothing of them, where they are left out."""
OF_TORCH = [
    word
    for word in OPERATORS
    if not operator_model(word).is_expression() and hasattr(nn, class_name(word)) and "softmax" not in word
]
"""The softmaxes are left out: torch.nn's default of `dim` is deprecated, archc's is the channels."""


@pytest.mark.parametrize("word", OF_TORCH)
def test_what_is_left_out_is_what_pytorch_takes(word: str) -> None:
    model = operator_model(word)
    model.model_rebuild()
    theirs = signature(getattr(nn, class_name(word))).parameters
    for name, field in model.model_fields.items():
        if name in ADDED:
            assert field.default is None
            continue
        expected: Any = theirs[name].default
        if name in INFERRED:
            assert (field.default, expected) == (None, Parameter.empty), name
        elif expected is Parameter.empty:
            assert field.is_required(), name
        else:
            sizes = isinstance(field.default, tuple)
            assert field.default == ((expected,) * len(field.default) if sizes else expected), name


def test_a_softmax_left_alone_is_over_the_channels() -> None:
    defaults = [operator_model(word).model_validate({}).model_dump() for word in ("softmax", "log_softmax")]
    assert defaults == [{"dim": 1}, {"dim": 1}]


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("pad", {"pad": 3}),
        ("pad", {"pad": [1]}),
        ("pad", {"pad": [1, -1]}),
        ("mean", {"dim": True}),
        ("mean", {"dim": 1.0}),
        ("mean", {"dim": []}),
        ("softmax", {"dim": 4}),
        ("softmax", {"dim": -5}),
        ("dropout", {"p": 1.5}),
        ("batch_norm", {"eps": 0.0}),
        ("batch_norm", {"momentum": 1.5}),
        ("conv2d", {"out_channels": 0, "kernel_size": 3}),
        ("conv2d", {"out_channels": 4, "kernel_size": 3, "padding": -1}),
        ("conv2d", {"out_channels": 4, "kernel_size": 3, "padding": "valid"}),
        ("prelu", {"num_parameters": 0}),
        ("softplus", {"beta": 0.0}),
        ("softplus", {"threshold": 19.0}),
    ],
)
def test_a_field_of_another_kind_or_out_of_range_is_refused(word: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        operator_model(word).model_validate(fields)
