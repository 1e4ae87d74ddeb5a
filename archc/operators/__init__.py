"""The operators, by the word that a spec writes; a family is imported when a spec first uses it.

Pydantic needs a third of a millisecond to define a model, so `archc check` defines only those that a spec names.
"""

from functools import cache
from importlib import import_module

from archc.ir.operator import Operator

_FAMILIES = {
    "activation": (
        "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "sigmoid", "tanh", "silu", "mish", "gelu", "softplus",
        "hardsigmoid", "hardswish", "hardtanh", "softmax", "log_softmax", "mul",
    ),
    "arrangement": ("identity", "flatten", "permute", "narrow", "select", "pad", "channel_shuffle"),
    "convolution": ("conv2d",),
    "join": ("sum", "product", "concat"),
    "linear": ("linear",),
    "normalization": ("batch_norm", "group_norm", "layer_norm", "local_response_norm"),
    "pooling": ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "mean"),
    "regularization": ("dropout", "dropout2d", "stochastic_depth"),
}  # fmt: skip
_FAMILY_OF = {word: family for family, words in _FAMILIES.items() for word in words}

OPERATORS: tuple[str, ...] = tuple(_FAMILY_OF)
"""Every operator's word."""


@cache
def operator_model(word: str) -> type[Operator]:
    """The model of the operator with this word. Raises KeyError for a word that is none."""
    module = import_module(f"{__name__}.{_FAMILY_OF[word]}")
    models = (model for model in vars(module).values() if isinstance(model, type) and issubclass(model, Operator))
    return next(model for model in models if getattr(model, "word", None) == word)
