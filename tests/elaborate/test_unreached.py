"""What `archc check` finds in files: in the bundled ones, and in one that is shared with what other specs say."""

from pathlib import Path

import pytest

from archc.builds.compilation import check_target
from archc.diagnostics import SpecError
from archc.spec.bundled import specs_folder

HEAD = "name: net\ninput: {channels: 3, height: 8, width: 8}\n"


def problems(path: Path, text: str) -> list[str]:
    """The first lines of what `archc check` finds, without the file's name."""
    path.write_text(text)
    try:
        check_target(path, {})
    except SpecError as error:
        return [line.split(":", 1)[1] for line in str(error).splitlines() if "error[" in line]
    return []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.yaml"


@pytest.mark.parametrize("file", sorted(specs_folder().rglob("*.yaml")), ids=lambda file: file.stem)
def test_the_bundled_files_have_no_problem(file: Path) -> None:
    check_target(file, {})


SHARED = "blocks:\n  drops:\n    layers: [dropout: $rate, linear: {out_features: 3, slope: 1}]\n"


def test_a_shared_file_may_read_the_ramps_of_the_specs_that_use_it(path: Path, tmp_path: Path) -> None:
    slope = "3:56: error[unknown-field]: linear has no field 'slope'"
    assert problems(tmp_path / "shared.yaml", SHARED) == [slope]
    (tmp_path / "shared.yaml").write_text(SHARED.replace(", slope: 1", ""))
    ramps = "ramps: {rate: {blocks: [drops], start: 0.0, stop: 0.2}}\n"
    assert problems(path, f"{HEAD}use: [shared.yaml]\n{ramps}layers: [drops]\n") == []
    assert problems(path, f"{HEAD}use: [shared.yaml]\nlayers: [relu]\n") == []
    assert problems(path, f"{HEAD}use: [shared.yaml]\nlayers: [drops]\n") == [
        "3:23: error[unknown-name]: there is no '$rate' here"
    ]
