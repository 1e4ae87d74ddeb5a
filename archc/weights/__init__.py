"""Weights: mappings from `state_dict` keys to NumPy arrays, read, drawn or derived one tensor at a time."""

from archc.weights.derive import resolve
from archc.weights.initialize import InitializedWeights
from archc.weights.lazy import Array, LazyWeights, Weights, read_all, shape_and_dtype
from archc.weights.load import open_weights
from archc.weights.match import MatchedWeights, match
from archc.weights.safetensors_file import SafetensorsFile, write_safetensors

__all__ = [
    "Array",
    "InitializedWeights",
    "LazyWeights",
    "MatchedWeights",
    "SafetensorsFile",
    "Weights",
    "match",
    "open_weights",
    "read_all",
    "resolve",
    "shape_and_dtype",
    "write_safetensors",
]
