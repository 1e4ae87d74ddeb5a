"""The files that a spec names under `use`."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from archc.builds.compilation import check_target
from archc.diagnostics import Source, SpecError
from archc.spec import loading
from archc.spec.yaml.loader import Limits, read_source
from tests.elaborate.specs import HEAD

MANY = 10_000
LIBRARY = "blocks: {own: {layers: [relu]}}\n"


def written(folder: Path, uses: list[str]) -> Path:
    path = folder / "net.yaml"
    path.write_text(f"{HEAD}use: [{', '.join(uses)}]\nlayers: [own]\n")
    return path


def test_a_file_is_read_once_however_often_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(path: str | Path, limits: Limits = Limits()) -> Source:  # noqa: B008
        read.append(Path(path).name)
        return read_source(path, limits)

    monkeypatch.setattr(loading, "read_source", counted)
    (tmp_path / "own.yaml").write_text(LIBRARY)
    check_target(written(tmp_path, ["own.yaml", "./own.yaml", "own.yaml", ".//./own.yaml"]), {})
    assert read == ["net.yaml", "own.yaml"]


def test_a_mistake_in_a_file_that_is_named_twice_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(LIBRARY.replace("relu", "relux"))
    with pytest.raises(SpecError) as caught:
        check_target(written(tmp_path, ["own.yaml", "own.yaml"]), {})
    assert [problem.code for problem in caught.value.diagnostics] == ["unknown-block"]


def test_the_last_file_of_those_with_a_block_defines_it(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(LIBRARY)
    (tmp_path / "other.yaml").write_text(LIBRARY.replace("relu", "tanh"))
    for uses, word in ((["own.yaml", "other.yaml"], "tanh"), (["own.yaml", "other.yaml", "own.yaml"], "relu")):
        spec = loading.load_spec(written(tmp_path, uses))
        assert str(spec.blocks["own"].items).count(f"word='{word}'") == 1


@pytest.mark.parametrize("name", ["own.yaml", "missing{}.yaml"])
def test_ten_thousand_names_take_no_longer_than_their_text(tmp_path: Path, name: str) -> None:
    (tmp_path / "own.yaml").write_text(LIBRARY)
    path = written(tmp_path, [name.format(number) for number in range(MANY)])
    begun = time.process_time()
    with suppress(SpecError):
        check_target(path, {})
    assert time.process_time() - begun < 3
