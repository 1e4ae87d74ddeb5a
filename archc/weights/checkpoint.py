"""Reads PyTorch checkpoints (`.pt`, `.pth`). Nothing else in this package imports torch.

Checkpoints are pickles, which can run code; `weights_only=True` refuses all but tensors and plain containers.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archc.weights.errors import unreadable
from archc.weights.lazy import Array, LazyWeights

if TYPE_CHECKING:
    import torch

ZIP_MAGIC = b"PK\x03\x04"
# Where training scripts keep the weights (timm: state_dict_ema, averaged over training), the likeliest first.
NESTS = ("state_dict", "model_state_dict", "model", "state_dict_ema")
# What DistributedDataParallel and torch.compile put before every key.
WRAPPERS = ("module.", "_orig_mod.")
# From torch's messages, which all advise to load unsafely and so are not passed on.
CODE_COMPLAINTS = ("Unsupported global", "Unsupported class", "unrecognized function")


class Checkpoint(LazyWeights):
    """The tensors of a checkpoint: a `state_dict`, or one that lies under one of `NESTS`, in its order.

    Floats narrower than float32 are read as float32. A prefix of `WRAPPERS` that every key has is removed.
    Files of PyTorch 1.6 and later are mapped, and each access copies a tensor; older files are read whole.
    Raises: BuildError: the file cannot be read, holds code, or holds no weights.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.source = os.fspath(path)
        self._tensors = _without_wrappers(_state_dict(_load(self.source), self.source))

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self._tensors[key].shape)

    def dtype(self, key: str) -> np.dtype[Any]:
        """Element type of a tensor as it is read."""
        return _array(self._tensors[key].new_empty(0)).dtype

    def __getitem__(self, key: str) -> Array:
        return _array(self._tensors[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def _load(path: str) -> Any:
    import torch

    try:
        with Path(path).open("rb") as file:
            mapped = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        with warnings.catch_warnings():  # of pickles that are no checkpoints of PyTorch's, and fail right after
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise unreadable(path, _reason(error), remedy="convert it to safetensors where it was made") from error


def _reason(error: Exception) -> str:
    if "TorchScript" in str(error):
        return "it is a TorchScript archive, not a checkpoint"
    if any(complaint in str(error) for complaint in CODE_COMPLAINTS):
        return "it holds more than tensors and plain containers, which could run code when it is loaded"
    return f"it is not a PyTorch checkpoint, or it is damaged ({type(error).__name__})"


def _state_dict(content: Any, source: str) -> dict[str, torch.Tensor]:
    if not isinstance(content, Mapping):
        raise unreadable(source, f"it holds a {type(content).__name__}, not a state_dict")
    nested = next((content[key] for key in NESTS if isinstance(content.get(key), Mapping)), content)
    others = [str(key) for key, value in nested.items() if not _is_plain_tensor(value)]
    if others or not nested:
        listed = f": not plain tensors are {', '.join(others[:5])}" if others else ""
        raise unreadable(source, f"it holds no state_dict{listed}", remedy=f"it may lie under {', '.join(NESTS)}")
    return {str(key): value for key, value in nested.items()}


def _is_plain_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized


def _without_wrappers(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for prefix in WRAPPERS * 2:  # either can be around the other
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    return tensors


def _array(tensor: torch.Tensor) -> Array:
    """A copy, so that nothing keeps pages of the file or memory that two keys share."""
    narrow = tensor.is_floating_point() and tensor.itemsize < 4
    return np.array((tensor.float() if narrow else tensor).detach().numpy())
