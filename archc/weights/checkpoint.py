"""Reads PyTorch checkpoints (`.pt`, `.pth`). Nothing else in this package imports torch.

Checkpoints are pickles, which can run code; `weights_only=True` refuses all but tensors and plain containers.
"""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from io import BufferedReader
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from archc.files import open_regular
from archc.weights.archive import MOST_PICKLE_BYTES, ArchiveError, records
from archc.weights.errors import unreadable
from archc.weights.lazy import Array, LazyWeights
from archc.weights.wrappers import WRAPPERS

if TYPE_CHECKING:
    import torch

ZIP_MAGIC = b"PK\x03\x04"
# Where training scripts keep the weights (timm: state_dict_ema, averaged over training), the likeliest first.
NESTS = ("state_dict", "model_state_dict", "model", "state_dict_ema")
# From torch's messages in lower case, which all advise to load unsafely and so are not passed on.
CODE_COMPLAINTS = ("unsupported global", "unsupported class", "unrecognized function", "add_safe_globals")
PROTOCOL_COMPLAINT = f"unsupported operand {pickle.FRAME[0]}"  # what a pickle begins with since protocol 4
TORCHSCRIPT = "it is a TorchScript archive, not a checkpoint"
STATE_DICT = "save the module's state_dict where it was made: torch.save(module.state_dict(), 'weights.pt')"
CONVERT = "convert it to safetensors where it was made"


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
        return to_array(self._tensors[key].new_empty(0)).dtype

    def __getitem__(self, key: str) -> Array:
        return to_array(self._tensors[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def _load(path: str) -> Any:
    import torch

    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of what fails right after (TorchScript, newer pickles), or does not matter
            if file.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
                file.seek(0)
                return torch.load(_Pickles(file), map_location="cpu", weights_only=True)
            records(file)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except ArchiveError as error:
        raise unreadable(path, str(error), CONVERT) from None
    except Exception as error:  # a damaged pickle can raise anything
        reason = _reason(error)
        raise unreadable(path, reason, STATE_DICT if reason == TORCHSCRIPT else CONVERT) from error


class _Pickles(BufferedReader):
    """A file of before PyTorch 1.6: pickles, then the tensors' bytes. The steps of its pickles are counted."""

    steps = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Some bytes. Raises ArchiveError: too many steps have been taken."""
        self.steps += 1
        if self.steps > MOST_PICKLE_BYTES:
            raise ArchiveError(f"its pickles take more than {MOST_PICKLE_BYTES:,} steps")
        return super().read(size)


def _reason(error: Exception) -> str:
    message = str(error).lower()
    if "torchscript" in message:
        return TORCHSCRIPT
    if any(complaint in message for complaint in CODE_COMPLAINTS):
        return "it holds more than tensors and plain containers, which could run code when it is loaded"
    if PROTOCOL_COMPLAINT in message:
        return "it is written in pickle's protocol 4 or 5, which PyTorch reads only in a way that could run code"
    return f"it is not a PyTorch checkpoint, or it is damaged ({type(error).__name__})"


def _state_dict(content: Any, source: str) -> dict[str, torch.Tensor]:
    import torch

    if not isinstance(content, Mapping):
        raise unreadable(source, f"it holds a {type(content).__name__}, not a state_dict")
    nested = next((content[key] for key in NESTS if isinstance(content.get(key), Mapping)), content)
    others = [str(key) for key, value in nested.items() if not isinstance(value, torch.Tensor)]
    if others or not nested:
        listed = f": not tensors are {', '.join(others[:5])}" if others else ""
        raise unreadable(source, f"it holds no state_dict{listed}", remedy=f"it may lie under {', '.join(NESTS)}")
    exotic = [f"{key} ({what})" for key, value in nested.items() if (what := peculiarity(value))]
    if exotic:
        listed = ", ".join(exotic[:5])
        raise unreadable(source, f"these are not plain tensors: {listed}", remedy="save them dense, as float32")
    return {str(key): value for key, value in nested.items()}


def is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    """True for a torch tensor, without importing torch: nobody has one before it is imported."""
    loaded = sys.modules.get("torch")
    return loaded is not None and isinstance(value, loaded.Tensor)


def peculiarity(tensor: torch.Tensor) -> str | None:
    """What keeps a tensor from being read as an array; None for a plain one."""
    import torch

    if torch.nn.parameter.is_lazy(tensor):
        return "without data, an uninitialized parameter"
    if tensor.is_meta:
        return "without data, on the meta device"
    if tensor.is_nested:
        return "nested"
    if tensor.is_quantized:
        return "quantized"
    if tensor.layout != torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    if not _has_arrays(tensor.dtype):
        return str(tensor.dtype).removeprefix("torch.")
    try:
        to_array(tensor.new_empty(0))
    except Exception:  # a subclass's own, which can raise anything
        return type(tensor).__name__
    return None


@cache
def _has_arrays(dtype: torch.dtype) -> bool:
    """Whether tensors of this dtype become arrays: NumPy has no complex32, and some dtypes are only bits."""
    import torch

    try:
        to_array(torch.empty(1, dtype=dtype))
    except (TypeError, RuntimeError):
        return False
    return True


def _without_wrappers(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for prefix in WRAPPERS * 2:  # either can be around the other
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    return tensors


def to_array(tensor: torch.Tensor) -> Array:
    """A copy, so that nothing keeps pages of the file or memory that two keys share; narrow floats become float32."""
    narrow = tensor.is_floating_point() and tensor.itemsize < 4
    return np.array((tensor.detach().float() if narrow else tensor).numpy(force=True), order="C")
