"""Reads and writes safetensors files one tensor at a time: `pread` into one array, no mapping of the file."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from archc.files import open_regular
from archc.weights.errors import unreadable
from archc.weights.lazy import Array, LazyWeights, Weights, shape_and_dtype
from archc.weights.safetensors_header import (
    DTYPES,
    MAX_HEADER_BYTES,
    Entry,
    FormatError,
    decode_header,
    encode_header,
    expect,
    lay_out,
)

SLAB_BYTES = 16 << 20


class SafetensorsFile(LazyWeights):
    """The tensors of a safetensors file, in the header's order; bfloat16 is read as float32.

    The file stays open, so that replacing it on disk never mixes old tensors with new ones. Arrays below 8 MiB share
    blocks of 16 MiB: one that is kept keeps its block's memory, and an open file keeps the block that it last began.
    Raises: BuildError: the file cannot be read or breaks the format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.source = os.fspath(path)
        try:
            self._file = open_regular(path)
            weakref.finalize(self, self._file.close)
            size = os.fstat(self._file.fileno()).st_size
            self._memory = _Slabs(min(size, SLAB_BYTES))
            self._data, self._entries = self._read_header(size)
        except OSError as error:
            raise unreadable(self.source, error.strerror or str(error)) from error
        except FormatError as error:
            raise unreadable(self.source, f"it is not a valid safetensors file: {error}") from error

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return self._entries[key].shape

    def dtype(self, key: str) -> np.dtype[Any]:
        """Element type of a tensor as it is read."""
        code = self._entries[key].code
        return np.dtype(np.float32) if code == "BF16" else DTYPES[code]

    def __getitem__(self, key: str) -> Array:
        entry = self._entries[key]
        memory = self._memory.take(entry.end - entry.begin)
        try:
            self._read_into(memory.data, self._data + entry.begin)
        except OSError as error:
            raise unreadable(self.source, error.strerror or str(error)) from error
        stored = memory.view(DTYPES[entry.code]).reshape(entry.shape)
        return _from_bfloat16(stored) if entry.code == "BF16" else stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _read_header(self, size: int) -> tuple[int, dict[str, Entry]]:
        """Where the data begin, and what they hold."""
        expect(size >= 8, f"it has {size} bytes")
        length = int.from_bytes(self._read(8, 0), "little")
        limit = min(MAX_HEADER_BYTES, size - 8)
        expect(length <= limit, f"its header claims {length} bytes, and {limit} are possible")
        return 8 + length, decode_header(self._read(length, 8), size - 8 - length)

    def _read(self, count: int, offset: int) -> bytes:
        buffer = bytearray(count)
        self._read_into(memoryview(buffer), offset)
        return bytes(buffer)

    def _read_into(self, buffer: memoryview, offset: int) -> None:
        # A loop, because one call reads at most 2 GiB on Linux.
        while buffer:
            count = os.preadv(self._file.fileno(), [buffer], offset)
            if count == 0:
                raise unreadable(self.source, "it was truncated while it was being read")
            buffer, offset = buffer[count:], offset + count


class _Slabs:
    """Memory for arrays: small ones are cut from larger blocks, of which the kernel makes huge pages.

    Most of the time that a network's weights take is the kernel's, which gives out every 4 KiB alone otherwise.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._rest = np.empty(0, np.uint8)
        self._lock = Lock()

    def take(self, count: int) -> npt.NDArray[np.uint8]:
        """So many bytes, which nobody else has."""
        if 2 * count >= self._size:
            return np.empty(count, np.uint8)
        with self._lock:
            if count > self._rest.size:
                self._rest = np.empty(self._size, np.uint8)
            taken, self._rest = self._rest[:count], self._rest[-(-count // 64) * 64 :]  # aligned for vectors
        return taken


def write_safetensors(file: BinaryIO, weights: Weights) -> None:
    """Write every tensor, reading one at a time; the bytes are those that the safetensors library writes.

    The order is the library's (by dtype, then by name), whatever the mapping's.
    """
    entries = lay_out({name: shape_and_dtype(weights, name) for name in weights})
    file.write(encode_header(entries))
    for name, entry in entries.items():
        array = np.ascontiguousarray(weights[name], DTYPES[entry.code]).reshape(entry.shape)
        file.write(array.reshape(-1).view(np.uint8).data)


def _from_bfloat16(stored: Array) -> Array:
    """The float32 numbers whose upper halves are the stored ones."""
    wide = np.empty(stored.shape, np.uint32)
    np.left_shift(stored, 16, out=wide, dtype=np.uint32)
    return wide.view(np.float32)
