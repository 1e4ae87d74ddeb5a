"""`.pt2` archives: every declared size and no other, nothing of the machine, weights to replace."""

import importlib
import io
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
    Outputs,
    Size,
    assert_runs_without_archc,
    assert_same_function,
    images,
    machine_traces,
    outputs,
    seeded,
    taken,
    written_elsewhere,
)

torch_export = importlib.import_module("archc.exporters.torch.export")


def written(module: nn.Module, *sizes: Size) -> bytes:
    file = io.BytesIO()
    torch_export.write_torch_export(module, [taken(IMAGE, *sizes)], file)
    return file.getvalue()


@cache
def archive(case: str, *sizes: Size) -> bytes:
    return written(seeded(case), *sizes)


def reloaded(case: str, folder: Path, *sizes: Size) -> nn.Module:
    path = folder / "network.pt2"
    path.write_bytes(archive(case, *sizes))
    loaded: nn.Module = torch_export.load_torch_export(path)
    return loaded


@pytest.mark.parametrize("case", CASES)
def test_one_program_is_right_at_every_batch(case: str, tmp_path: Path) -> None:
    module = seeded(case)
    artefact = reloaded(case, tmp_path)
    for batch in (1, 2, 7):
        assert_same_function(artefact, module, images(batch))


def test_a_dynamic_size_is_right_from_its_minimum_to_its_maximum(tmp_path: Path) -> None:
    module = seeded("deep")  # four strides of 2: the smallest images end as a single position
    artefact = reloaded("deep", tmp_path, (2, ("height", 16, 40)), (3, ("width", 9, 64)))
    for height, width in [(16, 9), (17, 16), (40, 64), (16, 64), (33, 20)]:
        for batch in (1, 3):
            assert_same_function(artefact, module, images(batch, (3, height, width)))


@pytest.mark.parametrize(
    ("shape", "limit"),
    [
        ((3, 15, 20), r"x\.size\(\)\[2\] >= 16"),
        ((3, 41, 20), r"x\.size\(\)\[2\] <= 40"),
        ((3, 24, 21), r"x\.size\(\)\[3\] == 20"),
        ((4, 24, 20), r"x\.size\(\)\[1\] == 3"),
    ],
)
def test_a_size_that_was_not_declared_is_refused(shape: tuple[int, ...], limit: str, tmp_path: Path) -> None:
    artefact = reloaded("deep", tmp_path, (2, ("height", 16, 40)))
    with pytest.raises(AssertionError, match=f"^Guard failed: {limit}$"):
        artefact(images(2, shape))


def test_a_range_that_the_network_cannot_take_is_refused() -> None:
    module = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3 * 12 * 10, 2)).eval()
    with pytest.raises(ExportError) as caught:
        written(module, (2, ("height", 20, 40)))
    assert str(caught.value) == (
        "error[not-exportable]: torch.export refuses the network: Constraints violated (height)!"
        " Not all values of height = L['input'].size()[2] in the specified range 20 <= height <= 40"
        " satisfy the generated guard (30*(L['input'].size()[2] // 2)) == 360."
    )


def test_a_range_of_a_single_size_is_a_constant(tmp_path: Path) -> None:
    module = seeded("deep")
    artefact = reloaded("deep", tmp_path, (2, ("height", IMAGE[1], IMAGE[1])), (3, ("width", 16, 40)))
    for width in (16, 40):
        assert_same_function(artefact, module, images(3, (3, IMAGE[1], width)))
    with pytest.raises(AssertionError, match=rf"^Guard failed: x\.size\(\)\[2\] == {IMAGE[1]}$"):
        artefact(images(3, (3, IMAGE[1] + 1, 16)))


@pytest.mark.parametrize("optimum", [1, 2, 8])
def test_a_range_may_begin_at_one_pixel(optimum: int) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    file = io.BytesIO()
    torch_export.write_torch_export(module, [taken((3, optimum, 8), (2, ("height", 1, 8)))], file)
    artefact = torch.export.load(io.BytesIO(file.getvalue())).module()
    for height in range(1, 9):
        assert_same_function(artefact, module, images(2, (3, height, 8)))


@pytest.mark.parametrize("case", CASES)
def test_replacing_the_weights_replaces_the_function(case: str, tmp_path: Path) -> None:
    module, other = seeded(case), seeded(case, seed=1)
    artefact = reloaded(case, tmp_path)
    assert list(artefact.state_dict()) == list(module.state_dict())
    artefact.load_state_dict(other.state_dict())
    assert_same_function(artefact, other, images(2))
    assert not torch.allclose(outputs(other, images(2))[-1], outputs(module, images(2))[-1], rtol=0.01)


def test_each_weight_by_itself_changes_the_result(tmp_path: Path) -> None:
    artefact = reloaded("block", tmp_path)
    before = outputs(artefact, images(2))[0]
    for key, tensor in artefact.state_dict().items():
        if tensor.is_floating_point():
            original = tensor.clone()
            tensor.mul_(1.5)  # state_dict shares memory with the module
            assert not torch.equal(outputs(artefact, images(2))[0], before), f"{key} is baked in"
            tensor.copy_(original)


def test_a_named_tuple_becomes_a_plain_tuple_and_the_module_keeps_it(tmp_path: Path) -> None:
    module = seeded("two-outputs")
    artefact = reloaded("two-outputs", tmp_path)
    assert type(artefact(images(2))) is tuple
    assert type(module(images(2))) is Outputs


def test_a_process_without_archc_runs_the_file(tmp_path: Path) -> None:
    module = seeded("two-outputs")
    reloaded("two-outputs", tmp_path)
    assert_runs_without_archc("torch.export.load", tmp_path / "network.pt2", module)


def test_nothing_in_the_archive_tells_about_the_machine(repository: Path) -> None:
    module = seeded("deep")
    theirs = io.BytesIO()
    torch.export.save(torch.export.export(module, (images(2),)), theirs)
    assert machine_traces(theirs.getvalue(), repository) != [], "else this test sees nothing"
    assert machine_traces(archive("deep"), repository) == []
    with zipfile.ZipFile(io.BytesIO(archive("deep"))) as records:
        assert {name.split("/")[0] for name in records.namelist()} == {"archive"}


def test_two_processes_write_the_same_bytes(repository: Path, tmp_path: Path) -> None:
    first, second = (
        written_elsewhere("torch.export.write_torch_export", repository, tmp_path / folder)
        for folder in ("a", "another")
    )
    assert first == second


def test_two_exports_in_one_process_are_the_same_bytes() -> None:
    sizes = (2, ("height", 16, 40)), (3, ("width", 16, 40))
    assert written(seeded("deep"), *sizes) == written(seeded("deep"), *sizes)


def test_an_archive_holds_no_image() -> None:
    side = 512
    file = io.BytesIO()
    torch_export.write_torch_export(nn.Sequential(nn.ReLU()).eval(), [taken((3, side, side))], file)
    assert len(file.getvalue()) < 3 * side * side


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch.export.unflatten, of itself
def test_the_program_keeps_what_later_compilers_ask_for() -> None:
    program = torch.export.load(io.BytesIO(archive("deep")))
    assert program.example_inputs is not None, "AOTInductor compiles for them"
    assert [tensor.shape for tensor in program.example_inputs[0]] == [(2, *IMAGE)]
    names = {name for name, _ in torch.export.unflatten(program).named_modules()}
    assert {"layers.0.conv1", "layers.7.bn2", "avgpool", "fc"} <= names


def test_a_module_that_depends_on_its_input_is_refused_and_left_as_it_was() -> None:
    module = BranchOnValues().eval()
    with pytest.raises(ExportError, match=r"^error\[not-exportable\]: torch.export refuses the network: \w+"):
        written(module)
    assert len(module._forward_hooks) == 0


@pytest.mark.parametrize("damage", [b"", b"no archive", None], ids=["empty", "text", "cut"])
def test_a_damaged_file_is_an_error(damage: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "network.pt2"
    whole = archive("block")
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ExportError, match=r"network\.pt2 cannot be read as \.pt2: ."):
        torch_export.load_torch_export(path)
