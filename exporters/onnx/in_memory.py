"""Hands weights to ONNX Runtime as they lie in memory: to put them into a message copies them several times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx

LARGE = 1 << 14  # numbers of a tensor that is handed over


def named_or_stored(tensors: Mapping[str, np.ndarray]) -> tuple[list[onnx.TensorProto], dict[str, np.ndarray]]:
    """Initializers for a message, and the arrays of those that it only names."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    initializers: list[onnx.TensorProto] = []
    named: dict[str, np.ndarray] = {}
    for name, values in tensors.items():
        if values.size < LARGE:
            initializers.append(numpy_helper.from_array(values, name))
            continue
        type = helper.np_dtype_to_tensor_dtype(values.dtype)
        outside = TensorProto(name=name, dims=values.shape, data_type=type, data_location=TensorProto.EXTERNAL)
        outside.external_data.add(key="location", value="memory")
        initializers.append(outside)
        named[name] = np.ascontiguousarray(values)  # ONNX Runtime takes no other
    return initializers, named
