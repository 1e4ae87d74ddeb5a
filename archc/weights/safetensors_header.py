"""The header of a safetensors file: what is stored where. It is untrusted, and checked before it is used.

A file is the header's length (8 bytes, little-endian), the header (JSON: name -> dtype, shape, data_offsets),
and the tensors without gaps.
Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from math import prod
from reprlib import Repr
from typing import Any

import numpy as np

from archc.ir.dtype import STORED

MAX_HEADER_BYTES = 100_000_000
MAX_NDIM = 32
METADATA_KEY = "__metadata__"
FIELDS = {"dtype", "shape", "data_offsets"}
DTYPES: dict[str, np.dtype[Any]] = {code: np.dtype(name) for code, name in STORED.items()}
_SHOWN = Repr()  # of what a message quotes: a file may hold megabytes
_SHOWN.maxlist, _SHOWN.maxstring, _SHOWN.maxother = 8, 200, 200
_CODES = {dtype: code for code, dtype in DTYPES.items() if code != "BF16"}
_RANKS = {code: rank for rank, code in enumerate(DTYPES)}


class FormatError(ValueError):
    """A file breaks the safetensors format, or uses a part of it that archc cannot read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor: its dtype's code, its shape, and where it lies (bytes after the header)."""

    code: str
    shape: tuple[int, ...]
    begin: int
    end: int


def expect(condition: bool, message: str) -> None:
    """Raise FormatError with the message unless the condition holds."""
    if not condition:
        raise FormatError(message)


def decode_header(text: bytes, data_bytes: int) -> dict[str, Entry]:
    """The tensors that a header describes, in its order; `data_bytes` follow it.

    Raises: FormatError: an unknown dtype, sizes that do not match it, data with an overlap, a gap or a rest.
    """
    entries = {name: _entry(name, fields) for name, fields in _parse(text).items()}
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin < end:
            raise FormatError(f"the data of {_shown(name)} overlap another tensor's")
        if entry.begin > end:
            raise FormatError(f"there is a gap before the data of {_shown(name)}")
        end = entry.end
    expect(end == data_bytes, f"its tensors take {end} bytes, and {data_bytes} follow the header")
    return entries


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except FormatError:
        raise
    except (JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"its header is not JSON: {error}") from error
    except ValueError as error:  # what `int` says of thousands of digits
        raise FormatError("its header has an integer of thousands of digits") from error
    expect(isinstance(header, dict), "its header is not a JSON object")
    metadata = header.pop(METADATA_KEY, {})
    expect(
        isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values()),
        f"its {METADATA_KEY} does not map strings to strings",
    )
    return dict(header)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    expect(len(members) == len(pairs), "its header has a key twice")
    return members


def _refuse_constant(word: str) -> Any:
    raise FormatError(f"its header is not JSON: {word}")


def _entry(name: str, fields: Any) -> Entry:
    # No call builds a message before it is needed: a header may have hundreds of thousands of entries.
    if problem := _problem(name, fields):
        raise FormatError(problem)
    begin, end = fields["data_offsets"]
    entry = Entry(fields["dtype"], tuple(fields["shape"]), begin, end)
    needed = prod(entry.shape) * DTYPES[entry.code].itemsize
    if end - begin != needed:
        raise FormatError(f"{_shown(name)} takes {end - begin} bytes, and its shape needs {_shown(needed)}")
    return entry


def _problem(name: str, fields: Any) -> str | None:
    """What is wrong with the fields of one entry, each for itself."""
    if not _is_text(name):
        return f"the name {_shown(name)} is not valid Unicode"
    if not isinstance(fields, dict) or fields.keys() != FIELDS:
        return f"{_shown(name)} is not described by dtype, shape and data_offsets"
    code, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        return f"{_shown(name)} has the dtype {_shown(code)}, which archc cannot read"
    if not _are_sizes(shape) or len(shape) > MAX_NDIM:
        return f"{_shown(name)} has the shape {_shown(shape)}"
    if not _are_sizes(offsets) or len(offsets) != 2:
        return f"{_shown(name)} has the data_offsets {_shown(offsets)}"
    return None


def _shown(value: Any) -> str:
    return _SHOWN.repr(value)


def _is_text(name: str) -> bool:
    # JSON can spell half a surrogate pair, which no output could encode.
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _are_sizes(values: Any) -> bool:
    # `type`, not `isinstance`: JSON's true is not a size.
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def lay_out(tensors: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> dict[str, Entry]:
    """Where the library puts tensors of these shapes and dtypes: by dtype, then by name, without gaps."""
    codes = {name: _CODES[dtype] for name, (_, dtype) in tensors.items()}
    entries: dict[str, Entry] = {}
    begin = 0
    for name in sorted(tensors, key=lambda name: (-_RANKS[codes[name]], name.encode())):
        shape, dtype = tensors[name]
        end = begin + prod(shape) * dtype.itemsize
        entries[name] = Entry(codes[name], shape, begin, end)
        begin = end
    return entries


def encode_header(entries: Mapping[str, Entry]) -> bytes:
    """The header's length and the header, padded with spaces so that the data are aligned to 8 bytes."""
    tensors = {
        name: {"dtype": entry.code, "shape": entry.shape, "data_offsets": (entry.begin, entry.end)}
        for name, entry in entries.items()
    }
    header = {METADATA_KEY: {"format": "pt"}, **tensors}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
