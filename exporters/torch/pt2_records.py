"""Holds a `.pt2` archive to a graph of operators that only compute, before PyTorch loads it.

Its loader unpickles what the archive asks for, evaluates texts as expressions, loads machine code, and executes source
with its names in it. So every text is held to what it may be at its place, and nothing else may be there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

from archc.weights.archive import records

from .pure import is_pure
from .records import MOST_TEXT_BYTES, Archive, Unsafe, check_pickle, opened

_RECORD = re.compile(
    r"data/weights/weight_\d+|data/constants/tensor_\d+|archive_format|archive_version|extra/.+|extra_files/.+"
    r"|version|byteorder|\.data/(version|serialization_id)|\.format_version|\.storage_alignment"
)
_GRAPH = re.compile(r"models/model\.json|serialized_exported_program\.json")
_CONFIG = re.compile(r"data/(weights|constants)/model_\w+_config\.json")
_PICKLED = re.compile(r"data/sample_inputs/model\.pt|serialized_(state_dict|constants|example_inputs)\.pt")
OLD = "serialized_exported_program.json"
"""The graph in archives of before PyTorch 2.8, which have no root folder."""

_NAME = re.compile(r"[A-Za-z0-9_.-]*")
_KEY = re.compile(rf"{_NAME.pattern}|\d{{1,10}}\*s\d+")  # the latter a dynamic size that is a multiple: 16*s89
_OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\.\w+")
SIZES = {"torch.ops.aten.sym_size.int", "torch.ops.aten.lift_fresh_copy.default"} | {
    f"_operator.{name}" for name in "add floordiv ge getitem gt le lt mod mul neg sub".split()
}
_FUNCTIONS = (
    "Symbol|Integer|Rational|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|floor|ceiling|TruncToInt|ToFloat|Float"
)
_WORD = rf"{_FUNCTIONS}|True|False|positive|nonnegative|integer|precision|[su]\d+"
_EXPRESSION = re.compile(rf"(?:(?:{_WORD})\b|'[su]\d+'|'\d+\.\d+'|\d+\b|[-+*/(),= ])*")
_GUARD = re.compile(r"(?:L\b|\['\w+'\]|\[\d+\]|\.size\(\)|(?:and|or|not|Max|Min|Mod)\b|\d+\b|[-+*/%()<>=!, ])*")
_ANY = re.compile(r".*", re.DOTALL)
TEXTS: dict[str, re.Pattern[str]] = {
    "expr_str": _EXPRESSION,
    "guards_code": _GUARD,
    "as_string": re.compile(r"[\w ,.>-]*"),
    "torch_version": re.compile(r"[\w.+]*"),
    "source_fn_stack": re.compile(r"[\w.,;]*"),
    # These are only split, or read as JSON, and told to a programmer.
    **dict.fromkeys(("stack_trace", "nn_module_stack", "torch_fn", "custom", "from_node"), _ANY),
}
"""Key → what a text there may be; elsewhere it is a name."""
TREES = {"in_spec", "out_spec"}
CONTAINERS = {"builtins.tuple", "builtins.list", "builtins.dict", None}
REFUSED = {"as_graph", "as_custom_obj", "as_operator", "custom_obj", "token", "as_opaque", "use_pickle"}


def check_pt2(path: Path) -> None:
    """Raise ExportError if an archive holds more than a graph of such operators; what no archive raises."""
    with opened(path) as file:
        _check_records(file)


def _check_records(file: IO[bytes]) -> None:
    sizes, read = _opened(file)
    for name in sizes:
        if _GRAPH.fullmatch(name) or _CONFIG.fullmatch(name):
            _check_json(name, "", json.loads(read(name)))
        elif _PICKLED.fullmatch(name):
            _check_pickled(name, read(name))
        elif not _RECORD.fullmatch(name):
            raise Unsafe(f"it has a record {name}, which torch.export does not write for a network")


def _opened(file: IO[bytes]) -> tuple[Mapping[str, int], Callable[[str], bytes]]:
    """The records' sizes, and what reads one."""
    sizes = records(file)
    if OLD not in sizes:
        archive = Archive(file)
        return archive.sizes, archive.read
    if any(size > MOST_TEXT_BYTES for name, size in sizes.items() if name.endswith(".json")):
        raise Unsafe(f"its record {OLD} has more than {MOST_TEXT_BYTES:,} bytes")
    return sizes, ZipFile(file).read


def _check_pickled(name: str, data: bytes) -> None:
    archive = Archive(BytesIO(data))
    storages = {key.removeprefix("data/"): size for key, size in archive.sizes.items() if key.startswith("data/")}
    for inner in archive.sizes:
        if inner.endswith(".pkl") or inner.startswith("code/"):
            check_pickle(f"{name}/{inner}", archive.read(inner), storages)


def _check_json(record: str, key: str, value: Any) -> None:
    """Hold every text below a key to what it may be there."""
    match value:
        case dict():
            for inner, part in value.items():
                if not _KEY.fullmatch(inner) or (inner in REFUSED and part not in (False, None)):
                    raise Unsafe(f"its record {record} has {inner!r} under {key!r}")
                _check_json(record, inner, part)
        case list():
            for part in value:
                _check_json(record, key, part)
        case str() if key == "target":
            operator = _OPERATOR.fullmatch(value)
            if value not in SIZES and not (operator and is_pure(operator[1])):
                raise Unsafe(f"its record {record} calls {value}")
        case str() if key in TREES:
            _check_tree(record, json.loads(value))
        case str() if not TEXTS.get(key, _NAME).fullmatch(value):
            raise Unsafe(f"its record {record} has the text {value[:80]!r} as {key!r}")


def _check_tree(record: str, tree: Any) -> None:
    """Hold the description of inputs or outputs to tuples, lists and dicts of tensors."""
    match tree:
        case [int(), dict() as root]:
            _check_tree(record, root)
        case {"type": kind, "context": context, "children_spec": [*children]} if kind in CONTAINERS:
            _check_json(record, "context", json.loads(context or "null"))
            for child in children:
                _check_tree(record, child)
        case _:
            raise Unsafe(f"its record {record} has inputs or outputs of another kind than tuples, lists and dicts")
