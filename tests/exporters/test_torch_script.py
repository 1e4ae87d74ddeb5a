"""TorchScript archives: right at any batch, free of the machine that wrote them, with weights to replace."""

import importlib
import io
import warnings
import zipfile
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from archc.diagnostics import ExportError
from tests.exporters.torch_modules import (
    CASES,
    IMAGE,
    BranchOnValues,
    assert_runs_without_archc,
    assert_same_function,
    images,
    machine_traces,
    outputs,
    seeded,
    written_elsewhere,
)

torch_script = importlib.import_module("archc.exporters.torch.script")


def written(module: nn.Module) -> bytes:
    file = io.BytesIO()
    torch_script.write_torch_script(module, [IMAGE], file)
    return file.getvalue()


@cache
def archive(case: str) -> bytes:
    return written(seeded(case))


def reloaded(case: str, folder: Path) -> nn.Module:
    path = folder / "network.pt"
    path.write_bytes(archive(case))
    loaded: nn.Module = torch_script.load_torch_script(path)
    return loaded


def saved_by_torch(module: nn.Module) -> bytes:
    """What torch.jit.save itself writes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(module, images(2)), file)
    return file.getvalue()


@pytest.mark.parametrize("case", CASES)
def test_one_trace_is_right_at_every_batch(case: str, tmp_path: Path) -> None:
    module = seeded(case)
    artefact = reloaded(case, tmp_path)
    for batch in (1, 2, 5, 7):
        assert_same_function(artefact, module, images(batch))


@pytest.mark.parametrize("case", CASES)
def test_replacing_the_weights_replaces_the_function(case: str, tmp_path: Path) -> None:
    module, other = seeded(case), seeded(case, seed=1)
    artefact = reloaded(case, tmp_path)
    assert list(artefact.state_dict()) == list(module.state_dict())
    artefact.load_state_dict(other.state_dict())
    assert_same_function(artefact, other, images(2))
    assert not torch.allclose(outputs(other, images(2))[-1], outputs(module, images(2))[-1], rtol=0.01)


def test_each_weight_by_itself_changes_the_result(tmp_path: Path) -> None:
    artefact = reloaded("deep", tmp_path)
    before = outputs(artefact, images(2))[0]
    for key, tensor in artefact.state_dict().items():
        if tensor.is_floating_point():
            original = tensor.clone()
            tensor.mul_(1.5)  # state_dict shares memory with the module
            assert not torch.equal(outputs(artefact, images(2))[0], before), f"{key} is baked in"
            tensor.copy_(original)


def test_a_process_without_archc_runs_the_file(tmp_path: Path) -> None:
    module = seeded("two-outputs")
    reloaded("two-outputs", tmp_path)
    assert_runs_without_archc("torch.jit.load", tmp_path / "network.pt", module)


def test_nothing_in_the_archive_tells_about_the_machine(repository: Path) -> None:
    assert machine_traces(saved_by_torch(seeded("deep")), repository) != [], "else this test sees nothing"
    assert machine_traces(archive("deep"), repository) == []


def test_the_archive_is_pytorchs_own_without_the_stack_traces() -> None:
    module = seeded("two-outputs")
    theirs, ours = (zipfile.ZipFile(io.BytesIO(data)) for data in (saved_by_torch(module), archive("two-outputs")))
    kept = [name for name in theirs.namelist() if not name.endswith(".debug_pkl")]
    assert len(ours.namelist()) == len(kept) < len(theirs.namelist())
    assert {name.split("/")[0] for name in ours.namelist()} == {"archive"}
    # gelu needs version 10: read as an older one it would be taken for the gelu of that time.
    assert ours.read("archive/.data/version") == theirs.read("archive/.data/version") == b"10\n"


def test_tensors_are_aligned_for_mapping() -> None:
    data = archive("deep")
    with zipfile.ZipFile(io.BytesIO(data)) as records:
        tensors = [info for info in records.infolist() if "/data/" in info.filename]
    for info in tensors:
        name, extra = (int.from_bytes(data[info.header_offset + at :][:2], "little") for at in (26, 28))
        assert (info.header_offset + 30 + name + extra) % 64 == 0
    assert len(tensors) > 30


def test_two_processes_write_the_same_bytes(repository: Path, tmp_path: Path) -> None:
    first, second = (
        written_elsewhere("torch.script.write_torch_script", repository, tmp_path / folder)
        for folder in ("a", "another")
    )
    assert first == second


def test_the_artefact_is_in_eval_mode(tmp_path: Path) -> None:
    artefact = reloaded("deep", tmp_path)
    assert [module.training for module in artefact.modules() if module.training] == []


def test_a_module_that_depends_on_its_input_is_refused() -> None:
    with pytest.raises(ExportError) as caught:
        written(BranchOnValues().eval())
    assert str(caught.value) == (
        "error[not-exportable]: TorchScript cannot hold the network: Converting a tensor to a Python boolean"
        " might cause the trace to be incorrect. We can't record the data flow of Python values, so this value"
        " will be treated as a constant in the future. This means that the trace might not generalize to other"
        " inputs!"
    )


def test_a_module_that_does_not_take_the_shape_is_refused() -> None:
    with pytest.raises(ExportError, match="TorchScript cannot hold the network: Given groups=1, weight of"):
        torch_script.write_torch_script(seeded("block"), [(4, 8, 8)], io.BytesIO())


def test_other_warnings_than_the_deprecation_surface() -> None:
    class Warns(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            warnings.warn("of the module", UserWarning, stacklevel=1)
            return x + 1

    with pytest.warns(UserWarning, match="of the module"):
        written(Warns().eval())


@pytest.mark.parametrize("damage", [b"", b"no archive", None], ids=["empty", "text", "cut"])
def test_a_damaged_file_is_an_error(damage: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    whole = archive("block")
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ExportError, match=r"network\.pt cannot be read as TorchScript: \w+"):
        torch_script.load_torch_script(path)
