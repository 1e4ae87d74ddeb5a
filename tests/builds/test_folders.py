"""The folder that a command writes into: what it may be, and that a failure leaves none behind."""

from pathlib import Path

import pytest

from archc.builds.folders import made_folder
from archc.diagnostics import UsageError


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fail_in(folder: Path, *files: str) -> None:
    def fail() -> None:
        for name in files:
            (folder / name).touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), made_folder(folder):
        fail()


def test_folders_that_were_made_and_are_empty_go_again() -> None:
    Path("there").mkdir()
    fail_in(Path("there/a/b"))
    assert list(Path().rglob("*")) == [Path("there")]
    fail_in(Path("there"))
    assert Path("there").is_dir()


def test_a_folder_with_something_in_it_stays() -> None:
    fail_in(Path("a/b"), "file")
    assert Path("a/b/file").exists()


def test_a_folder_that_came_to_something_stays() -> None:
    with made_folder(Path("a/b")) as folder:
        pass
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["out.onnx", "a/out.pt", "out.pt2"])
def test_a_new_folder_is_not_named_like_an_artefact(name: str) -> None:
    with (
        pytest.raises(UsageError, match=f"output= names a folder, and {name} looks like a file"),
        made_folder(Path(name)),
    ):
        pass
    Path(name).mkdir(parents=True)
    with made_folder(Path(name)):
        pass


def test_a_file_in_the_way_is_called_one() -> None:
    Path("out").touch()
    with pytest.raises(UsageError, match="out is a file, and output= names a folder"), made_folder(Path("out")):
        pass
