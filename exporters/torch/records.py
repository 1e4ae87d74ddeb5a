"""What every archive of PyTorch's is held to before PyTorch loads it: its records, and the pickles among them.

PyTorch's own loaders believe an archive: a pickle may name any function, or storages beyond the record's end.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from archc.diagnostics import ExportError
from archc.files import open_regular
from archc.weights.archive import records

MOST_TEXT_BYTES = 64 << 20
"""Size of a record of code or JSON, at most."""
STORAGES = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8, "IntStorage": 4,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1,
}  # fmt: skip
"""Kind of storage → bytes of a number."""
GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {name}" for name in STORAGES),
    *(f"torch.jit._pickle {name}" for name in ("restore_type_tag", "build_intlist", "build_doublelist",
                                               "build_boollist", "build_tensorlist")),
}  # fmt: skip
_CLASS = re.compile(r"__torch__\.(?!torch\.classes\b)[\w.]+ \w+|__torch__ \w+")
"""A class of the archive's own code."""
ATOMS = {"BINUNICODE", "GLOBAL", "BININT", "BININT1", "BININT2", "LONG1"}
_PUTS, _GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
_OPCODES = (
    ATOMS
    | _PUTS
    | _GETS
    | set(
        "PROTO STOP MARK NONE NEWTRUE NEWFALSE BINFLOAT BINPERSID EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST"
        " APPEND APPENDS EMPTY_DICT SETITEM SETITEMS REDUCE NEWOBJ BUILD".split()
    )
)


class Unsafe(ValueError):
    """A record holds what could run code when PyTorch loads it, or what archc does not know to be harmless."""


class Archive:
    """An archive's records as PyTorch's reader sees them, by their names below its root folder, with their sizes.

    Raises: Unsafe: another reader sees others; ArchiveError, BadZipFile, OSError and others: it is damaged.
    """

    def __init__(self, file: IO[bytes]) -> None:
        import torch

        seen = records(file)
        file.seek(0)
        self._reader = torch._C.PyTorchFileReader(file)
        self.sizes = {name: self._reader.get_record_size(name) for name in self._reader.get_all_records()}
        if self.sizes != {name.partition("/")[2]: size for name, size in seen.items()}:
            raise Unsafe("its records are others for PyTorch than for other programs")

    def read(self, name: str) -> bytes:
        """A record of at most `MOST_TEXT_BYTES`. Raises Unsafe."""
        if self.sizes[name] > MOST_TEXT_BYTES:
            raise Unsafe(f"its record {name} has more than {MOST_TEXT_BYTES:,} bytes")
        data: bytes = self._reader.get_record(name)
        return data


def check_pickle(name: str, data: bytes, storages: Mapping[str, int]) -> None:
    """Raise Unsafe unless a pickle holds tensors of these storages (key → bytes), and plain data or own classes."""
    memo: dict[Any, object] = {}
    argument: Any
    recent: list[object] = [None] * 7  # what was pushed last; an opcode's name where it is no atom
    for opcode, argument, _ in pickletools.genops(BytesIO(data)):
        if opcode.name not in _OPCODES:
            raise Unsafe(f"its record {name} has the opcode {opcode.name}")
        if opcode.name == "GLOBAL" and argument not in GLOBALS and not _CLASS.fullmatch(str(argument)):
            raise Unsafe(f"its record {name} names {str(argument).replace(' ', '.')}")
        if opcode.name in _PUTS:
            if argument > len(data):
                raise Unsafe(f"its record {name} has a memo of {argument} places")
            memo[argument] = recent[-1] if isinstance(recent[-1], tuple) else None
            continue
        if opcode.name == "BINPERSID":
            _check_storage(name, recent[-7:], storages)
        known = (argument,) if opcode.name in ATOMS else memo.get(argument) if opcode.name in _GETS else None
        recent = [*recent[-6:], known or opcode.name]


def _check_storage(name: str, recent: list[object], storages: Mapping[str, int]) -> None:
    """Hold the description of a storage to the record that it names. PyTorch reads beyond its end."""
    match recent:
        case ["MARK", ("storage",), (str(kind),), (str(key),), (str("cpu"),), (int(count),), "TUPLE"]:
            width = STORAGES.get(kind.removeprefix("torch "))
            if width is None or key not in storages or not 0 <= count * width <= storages[key]:
                raise Unsafe(f"its record {name} has a storage {key!r} of {count} numbers, which is not there")
        case _:
            raise Unsafe(f"its record {name} describes a storage in another way than PyTorch does")


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open an artefact to look at its records.

    Raises: ExportError: it is no regular file, or the block finds it Unsafe.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror}", code="unreadable") from None
    with file:
        try:
            yield file
        except Unsafe as error:
            help = "export the network anew from where it was made, for example as ONNX"
            raise ExportError(f"{path} is not loaded: {error}", code="unsafe-artefact", help=help) from None
