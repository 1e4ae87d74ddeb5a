"""What is wrong in blocks that are not used and in arms that are not taken, as `archc check` tells it."""

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


def test_a_block_that_is_not_used_is_checked(path: Path) -> None:
    body = "    layers: [rellu, conv2d: {out_channels: 0, kernel_size: $k}, linear: $wide]\n"
    unused = f"blocks:\n  unused:\n    parameters: {{k: int}}\n    let: {{w: $k * $q}}\n{body}"
    assert problems(path, HEAD + unused + "layers: [relu]\n") == [
        "6:19: error[unknown-name]: there is no '$q' here",
        "7:14: error[unknown-block]: there is no operator or block 'rellu'",
        "7:44: error[invalid-value]: conv2d.out_channels must be greater than 0, not 0",
        "7:73: error[unknown-name]: there is no '$wide' here",
    ]


def test_the_arm_that_is_not_taken_is_checked(path: Path) -> None:
    items = """\
parameters: {gate: bool = false}
layers:
  - when: $gate
    then: [features: [rellu], output: x]
    else: [features: [relu], output: x]
  - sum: [relu, {when: not $gate, then: identity, else: {relu: {slope: 1}}}]
"""
    assert problems(path, HEAD + items) == [
        "6:23: error[unknown-block]: there is no operator or block 'rellu'",
        "8:65: error[unknown-field]: relu has no field 'slope'",
    ]


def test_what_depends_on_a_value_is_not_judged(path: Path) -> None:
    spec = """\
parameters: {width: int = 4}
blocks:
  unused:
    parameters: {act: layer, size: size = 3, groups: int = 1}
    let: {middle: $groups * $in_channels // 2}
    layers:
      - conv2d: {name: conv$i, out_channels: $middle, kernel_size: $size, groups: $groups, count: $n}
      - $act
      - linear: $in_features
layers:
  - when: $width >= 8
    then: [{conv2d: {name: conv, out_channels: $width // 8, kernel_size: 3}}]
    else: [{conv2d: {name: conv, out_channels: $width, kernel_size: 3}}]
"""
    assert problems(path, HEAD + spec) == []


def test_a_problem_that_is_reached_is_told_once(path: Path) -> None:
    spec = "blocks:\n  used:\n    layers: [rellu, relu: {slope: 1}]\nlayers: [used]\n"
    assert problems(path, HEAD + spec) == [
        "5:14: error[unknown-block]: there is no operator or block 'rellu'",
        "5:28: error[unknown-field]: relu has no field 'slope'",
    ]


def test_items_whose_names_are_unknown_do_not_take_one_name(path: Path) -> None:
    items = "[relu: {count: 2, name: $a}, relu: {count: 2, name: $b}]"
    idle = f"blocks: {{idle: {{parameters: {{a: str, b: str}}, layers: {items}}}}}\n"
    assert problems(path, f"{HEAD}{idle}layers: [relu]\n") == []


@pytest.mark.parametrize("file", sorted(specs_folder().rglob("*.yaml")), ids=lambda file: file.stem)
def test_the_bundled_files_have_no_problem(file: Path) -> None:
    check_target(file, {})


def test_a_block_that_is_not_used_may_have_a_name_that_no_module_can_have(path: Path) -> None:
    assert problems(path, f"{HEAD}blocks: {{parameters: {{layers: [relu]}}}}\nlayers: [relu]\n") == []


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
