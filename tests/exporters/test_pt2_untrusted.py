"""`.pt2` archives of strangers: what could run code is refused before PyTorch loads it."""

import importlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch

from archc.diagnostics import ExportError
from archc.exporting import exporters
from tests.exporters import unsafe
from tests.exporters.test_torch_untrusted import Small
from tests.exporters.torch_modules import taken
from tests.operators.cases import CASES

export = importlib.import_module("archc.exporters.torch.export")
check_pt2 = importlib.import_module("archc.exporters.torch.pt2_records").check_pt2
PT2 = exporters()["pt2"]

GRAPH = "models/model.json"


@cache
def archive() -> bytes:
    file = io.BytesIO()
    export.write_torch_export(Small().eval(), [taken((3, 8, 8))], file)
    return file.getvalue()


def changed(path: Path, change: Callable[[str, bytes], bytes], **added: bytes) -> Path:
    with zipfile.ZipFile(io.BytesIO(archive())) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name.partition("/")[2], old.read(name)))
        for name, data in added.items():
            new.writestr(f"archive/{name}", data)
    return path


def in_json(record: str, *place: str | int, value: Any) -> Callable[[str, bytes], bytes]:
    """A change of one value of a record."""

    def change(name: str, data: bytes) -> bytes:
        if name != record:
            return data
        tree = inner = json.loads(data)
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        return json.dumps(tree).encode()

    return change


refusal = partial(unsafe.refusal, export.load_torch_export)


def test_what_archc_writes_is_let_through(tmp_path: Path) -> None:
    seen = set()
    for case in CASES:
        if len(case.shapes) == 1 and case.word not in seen:
            seen.add(case.word)
            with (tmp_path / "a.pt2").open("wb") as file:
                PT2.write(case.network(), file, PT2.asked())
            check_pt2(tmp_path / "a.pt2")


def test_what_pytorch_itself_writes_is_loaded(tmp_path: Path) -> None:
    class Sized(Small):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.relu(self.conv(x))
            return torch.cat([y, y], 0)[: x.shape[0]] + torch.tensor(2.0)

    sizes = {0: torch.export.Dim("batch", min=2, max=64), 2: torch.export.Dim("height", min=4, max=64)}
    program = torch.export.export(Sized().eval(), (torch.zeros(3, 3, 8, 8),), dynamic_shapes=(sizes,))
    torch.export.save(program, tmp_path / "theirs.pt2")
    export.load_torch_export(tmp_path / "theirs.pt2")


def test_an_archive_of_before_pytorch_2_8_is_loaded_unless_it_holds_code(tmp_path: Path) -> None:
    from torch._export.serde.serialize import serialize

    parts = serialize(torch.export.export(Small().eval(), (torch.zeros(2, 3, 8, 8),)))
    old = {
        "version": b"8.20",
        "serialized_exported_program.json": parts.exported_program,
        "serialized_state_dict.pt": parts.state_dict,
        "serialized_constants.pt": parts.constants,
        "serialized_example_inputs.pt": parts.example_inputs,
    }
    for name in (None, "serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt"):
        with zipfile.ZipFile(tmp_path / "old.pt2", "w") as file:
            for each, data in old.items():
                file.writestr(each, with_code(tmp_path) if each == name else data)
        if name is None:
            check_pt2(tmp_path / "old.pt2")
        else:
            assert refusal(tmp_path / "old.pt2") == f"its record {name}/data.pkl names {CODE}"


class Touch:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


CODE = "__builtin__.getattr"


def with_code(folder: Path) -> bytes:
    """A checkpoint that writes a file when it is loaded as PyTorch's loader of `.pt2` loads it."""
    file = io.BytesIO()
    torch.save(Touch(folder / "touched"), file)
    return file.getvalue()


def test_a_pickle_with_code_is_refused_where_pytorch_would_run_it(tmp_path: Path) -> None:
    path = changed(
        tmp_path / "a.pt2", lambda name, data: with_code(tmp_path) if name == "data/sample_inputs/model.pt" else data
    )
    with path.open("rb") as file, export._without_log(), suppress(Exception):
        torch.export.load(file)
    assert (tmp_path / "touched").exists(), "else this test sees nothing"
    (tmp_path / "touched").unlink()
    assert refusal(path) == f"its record data/sample_inputs/model.pt/data.pkl names {CODE}"
    assert not (tmp_path / "touched").exists()


NODE = ("graph_module", "graph", "nodes", 0)
WEIGHTS = ("data/weights/model_weights_config.json", "config", "conv.weight")


@pytest.mark.parametrize(
    ("record", "place", "value", "why"),
    [
        (GRAPH, (*NODE, "target"), "torch.ops.mine.run.default", "calls torch.ops.mine.run.default"),
        (GRAPH, (*NODE, "target"), "torch.ops.aten.from_file.default", "calls torch.ops.aten.from_file.default"),
        (GRAPH, (*NODE, "target"), "torch.ops.higher_order.while_loop", "calls torch.ops.higher_order.while_loop"),
        (GRAPH, (*NODE, "target"), "_operator.attrgetter", "calls _operator.attrgetter"),
        (GRAPH, (*NODE, "name"), "a\nimport os", "has the text 'a\\nimport os' as 'name'"),
        (GRAPH, (*NODE, "name"), "a=print(1)", "has the text 'a=print(1)' as 'name'"),
        (GRAPH, ("guards_code",), ["__import__('os')"], "has the text \"__import__('os')\" as 'guards_code'"),
        (GRAPH, (*NODE, "outputs", 0), {"as_sym_int": {"expr_str": "exit()"}}, "has the text 'exit()' as 'expr_str'"),
        (GRAPH, ("graph_module", "graph", "custom_obj_values"), {"a": {"custom_obj": "b"}},
         "has 'custom_obj' under 'a'"),
        (GRAPH, ("graph_module", "module_call_graph", 0, "signature", "in_spec"),
         '[1, {"type": "mine.Run", "context": "null", "children_spec": []}]',
         "has inputs or outputs of another kind than tuples, lists and dicts"),
        (WEIGHTS[0], (*WEIGHTS[1:], "use_pickle"), True, "has 'use_pickle' under 'conv.weight'"),
        (WEIGHTS[0], (*WEIGHTS[1:], "path_name"), "../a b", "has the text '../a b' as 'path_name'"),
    ],
)  # fmt: skip
def test_a_text_that_could_become_code_is_refused(
    record: str, place: tuple[str | int, ...], value: Any, why: str, tmp_path: Path
) -> None:
    assert refusal(changed(tmp_path / "a.pt2", in_json(record, *place, value=value))) == f"its record {record} {why}"


@pytest.mark.parametrize("name", ["data/aotinductor/model/a.so", "data/constants/opaque_obj_0", "models/other.json"])
def test_a_record_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    path = changed(tmp_path / "a.pt2", lambda _, data: data, **{name: pickle.dumps(1)})
    assert refusal(path) == f"it has a record {name}, which torch.export does not write for a network"


def test_nesting_without_an_end_is_an_error(tmp_path: Path) -> None:
    path = changed(tmp_path / "a.pt2", lambda name, data: b"[" * 100_000 if name == GRAPH else data)
    with pytest.raises(ExportError, match=r"cannot be read as \.pt2"):
        export.load_torch_export(path)
