"""TorchScript archives of strangers: what could do more than compute is refused before PyTorch loads it."""

import importlib
import io
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from torch import nn

from archc.diagnostics import ExportError
from archc.exporting import exporters
from tests.exporters import unsafe
from tests.operators.cases import CASES, Case

script = importlib.import_module("archc.exporters.torch.script")
script_code = importlib.import_module("archc.exporters.torch.script_code")
TORCHSCRIPT = exporters()["torchscript"]

RELU = "return torch.relu_(argument_1)"
HEAD = """class ReLU(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
"""


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.relu(self.conv(x))
        return result


@cache
def trace() -> bytes:
    file = io.BytesIO()
    script.write_torch_script(Small().eval(), [(3, 8, 8)], file)
    return file.getvalue()


def changed(path: Path, change: Callable[[str, bytes], bytes], **added: bytes) -> Path:
    """The trace with other records."""
    with zipfile.ZipFile(io.BytesIO(trace())) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, data in added.items():
            new.writestr(f"archive/{name}", data)
    return path


def in_code(old: str, new: str) -> Callable[[str, bytes], bytes]:
    """A change of the class ReLU."""

    def change(name: str, data: bytes) -> bytes:
        text = data.decode("latin-1")
        return text.replace(old, new).encode("latin-1") if "class ReLU" in text else data

    return change


refusal = partial(unsafe.refusal, script.load_torch_script)


def loaded(path: Path) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: nn.Module = torch.jit.load(path)
    return module


@pytest.mark.parametrize("case", [case for case in CASES if len(case.shapes) == 1], ids=str)
def test_what_archc_writes_is_loaded(case: Case, tmp_path: Path) -> None:
    with (tmp_path / "a.pt").open("wb") as file:
        TORCHSCRIPT.write(case.network(), file, TORCHSCRIPT.asked())
    script.load_torch_script(tmp_path / "a.pt")


def test_what_pytorch_itself_writes_is_loaded(tmp_path: Path) -> None:
    class Scripted(Small):
        def helped(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean([2, 3])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.relu(self.conv(x))
            if y.size(0) > 2:
                y = y + 1.5
            return self.helped(y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Scripted()), str(tmp_path / "scripted.pt"))
        torch.jit.save(torch.jit.trace(Small(), torch.zeros(1, 3, 8, 8)), str(tmp_path / "traced.pt"))
    for name in ("scripted.pt", "traced.pt"):
        script.load_torch_script(tmp_path / name)


def test_a_file_that_writes_a_file_when_it_is_loaded_or_run_is_refused(tmp_path: Path) -> None:
    stolen = tmp_path / "stolen"
    path = changed(tmp_path / "a.pt", in_code(RELU, f'torch.save(argument_1, "{stolen}")\n    {RELU}'))
    loaded(path)(torch.zeros(1, 3, 8, 8))
    assert stolen.exists(), "else this test sees nothing"
    stolen.unlink()
    assert refusal(path).endswith(", line 8, names torch.save")
    assert not stolen.exists()


ATTACKS = {
    "an operator": ('torch.save(argument_1, "f")', "names torch.save"),
    "a method": ('(argument_1).save("f")', "calls save"),
    "a method of a name": ('argument_1.save("f")', "calls save"),
    "a module in parentheses": ('(torch).save(argument_1, "f")', "names torch"),
    "across lines": ('torch.\n    save(argument_1, "f")', "names torch.save"),
    "by another name": ("a = torch.save", "names torch.save"),
    "under a function's name": ("int = argument_1.save", "assigns to int"),
    "under a function's name behind a colon": ("if True: int = argument_1.save", "assigns to int"),
    "by its name in a text": ('getattr(argument_1, "save")("f")', "calls what an expression gives"),
    "an operator that reads": ('a = torch.from_file("f")', "names torch.from_file"),
    "an operator of another kind": ('ops.prim.Print("f")', "names ops.prim.Print"),
    "a custom operator": ("a = ops.mine.run(argument_1)", "names ops.mine.run"),
    "a namespace alone": ("a = (ops.mine).run(argument_1)", "names ops.mine"),
    "a class in C++": ("a = __torch__.torch.classes.mine.Run()", "names __torch__.torch.classes.mine.Run"),
    "a class in C++, in parts": ("a = (__torch__.torch).classes.mine.Run()", "names __torch__.torch"),
    "a function": ('print("f")', "calls print"),
    "a loop": ("while True:\n      a = 1", "has 'while', which a trace does not"),
    "a loop over a range": ("for a in range(4611686018427387904):\n      b = 1", "has 'for', which a trace does not"),
    "a task": ("a = fork(argument_1)", "calls fork"),
    "an import": ("import os", "has 'import', which a trace does not"),
    "a lambda": ("a = lambda b: b", "has 'lambda', which a trace does not"),
    "a comment": ("# type: ignore", "has '#', which a trace does not"),
    "a text of several lines": ('a = """\n"""', "has '\"', which a trace does not"),
    "a tab": ("a =\t1", "has '\\t', which a trace does not"),
    "a letter": ("a = \xe9", "has '\ufffd', which a trace does not"),
    "a deep expression": (f"a = {'(' * 200}1{')' * 200}", "has a statement that is too long or too deep"),
    "a long expression": (f"a = 1{' + 1' * 5000}", "has a statement that is too long or too deep"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_that_can_do_more_than_compute_is_refused_by_name_and_line(attack: str, tmp_path: Path) -> None:
    statement, why = ATTACKS[attack]
    path = changed(tmp_path / "a.pt", in_code(RELU, f"{statement}\n    {RELU}"))
    told = refusal(path)
    assert told.startswith("its record code/__torch__/torch/nn/modules/activation")
    assert told.endswith(why)
    assert f", line {9 if attack == 'across lines' else 8}, " in told


@pytest.mark.parametrize("name", ["__setstate__", "__getstate__", "__init__", "save", "from_file"])
def test_methods_that_run_when_a_file_is_loaded_or_shadow_an_operator_are_refused(name: str, tmp_path: Path) -> None:
    method = f"  def {name}(self, state: int) -> NoneType:\n    return None\n"
    assert refusal(changed(tmp_path / "a.pt", in_code(HEAD, HEAD + method))).endswith(f"line 6, defines {name}")


def pickled(change: Callable[[bytes], bytes], record: str = "data.pkl") -> Callable[[str, bytes], bytes]:
    return lambda name, data: change(data) if name == f"archive/{record}" else data


def test_a_storage_that_is_larger_than_its_record_is_refused(tmp_path: Path) -> None:
    # PyTorch's loader reads beyond the record's end.
    count = pickle.BININT1 + bytes([108])  # 4 * 3 * 3 * 3 numbers
    assert trace().count(count + pickle.TUPLE) == 1
    more = changed(tmp_path / "a.pt", pickled(lambda data: data.replace(count, pickle.BININT2 + b"\xff\xff")))
    assert refusal(more) == "its record data.pkl has a storage '0' of 65535 numbers, which is not there"


def test_a_storage_that_is_described_in_another_way_is_refused(tmp_path: Path) -> None:
    count = pickle.BININT1 + bytes([108]) + pickle.TUPLE
    other = changed(tmp_path / "a.pt", pickled(lambda data: data.replace(count, pickle.NONE + count)))
    assert refusal(other) == "its record data.pkl describes a storage in another way than PyTorch does"


@pytest.mark.parametrize("record", ["data.pkl", "constants.pkl"])
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x80\x02cos\nsystem\n(X\x01\x00\x00\x00ftR.", "names os.system"),
        (b"\x80\x02c__torch__.torch.classes.mine\nRun\n)R.", "names __torch__.torch.classes.mine.Run"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "has the opcode SHORT_BINUNICODE"),
        (b"\x80\x02(ios\nsystem\n.", "has the opcode INST"),
        (b"\x80\x02Nr\xff\xff\xff\xff.", "has a memo of 4294967295 places"),
    ],
)
def test_a_pickle_that_is_more_than_tensors_is_refused(record: str, data: bytes, why: str, tmp_path: Path) -> None:
    assert refusal(changed(tmp_path / "a.pt", pickled(lambda _: data, record))) == f"its record {record} {why}"


def test_a_record_that_no_trace_has_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path / "a.pt", lambda name, data: data, **{"model.json": b"{}"})
    assert refusal(path) == "it has a record model.json, which no trace has"


def test_records_that_readers_see_differently_are_refused(tmp_path: Path) -> None:
    # zipfile skips what stands before an archive, and PyTorch's reader takes the offsets as they are.
    path = changed(tmp_path / "a.pt", lambda name, data: data)
    path.write_bytes(b"x" * 64 + path.read_bytes())
    with pytest.raises(ExportError, match=r"cannot be read as TorchScript|not loaded"):
        script.load_torch_script(path)


def test_an_archive_that_inflates_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/code/a.py", b" " * (65 << 20))
    with pytest.raises(ExportError, match=r"cannot be read as TorchScript: its records inflate to more than"):
        script.load_torch_script(path)


def test_the_opcodes_that_are_allowed_exist() -> None:
    names = {opcode.name for opcode in pickletools.opcodes}
    assert script_code.check_pickle.__globals__["_OPCODES"] <= names
