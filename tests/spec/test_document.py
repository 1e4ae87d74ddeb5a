"""The parts of a spec: what they become, and how parameters get their values."""

from pathlib import Path

import pytest

from archc.diagnostics import Source, SpecError, UsageError
from archc.spec.bundled import bundled_specs
from archc.spec.language.document import Ramp, Spec
from archc.spec.language.inputs import Image, Range, SizeRange
from archc.spec.language.items import Call
from archc.spec.loading import load_spec, parse_text, resolved_text
from archc.spec.tree import plain

HEAD = "name: net\ninput: {channels: 3, height: 8, width: 8}\n"
PARAMETERS = """
parameters:
  num_classes: int = 10
  rate: float = 1
  bias: bool = false
  mode: str = 010
  kernel_size: size = [3, 5]
  activation: layer = relu
  norm: layer = none
"""


def spec(text: str, folder: Path = Path("nowhere")) -> Spec:
    return parse_text(Source("<test>", text), folder)


def words(parsed: Spec) -> list[str]:
    return [item.word for item in parsed.items if isinstance(item, Call)]


def test_stem_stages_and_head_are_one_list() -> None:
    assert words(spec(HEAD + "head: [c]\nstem: [a, a]\nstages: [b]")) == ["a", "a", "b", "c"]
    assert words(spec(HEAD + "layers: [a, b]")) == ["a", "b"]


def test_sizes_are_integers_or_ranges() -> None:
    text = """
name: net
input: {channels: 1, height: {min: 8, opt: 8, max: 16}, width: 32, batch: {min: 1, opt: 8, max: 32}}
layers: [relu]
"""
    assert spec(text).inputs["input"] == Image(
        channels=1, height=SizeRange(min=8, opt=8, max=16), width=32, batch=Range(min=1, opt=8, max=32)
    )


def test_every_section_is_kept() -> None:
    parsed = spec(
        HEAD
        + """
source: somebody 2015
defaults: {batch_norm: {eps: 1e-3}}
ramps: {drop_path: {blocks: [unit], start: 0, stop: 0.2, endpoint: false}}
init: {conv2d: {bias: zeros}}
blocks:
  unit:
    parameters: {width: int, stride: int = 1}
    let: {hidden: 2 * $width, pair: [$width, 1]}
    sequence: [$norm, relu]
layers: [unit: 8]
"""
    )
    unit = parsed.blocks["unit"]
    assert parsed.citation == "somebody 2015"
    assert {word: plain(entry.value) for word, entry in parsed.defaults.items()} == {"batch_norm": {"eps": 1e-3}}
    assert parsed.ramps == {"drop_path": Ramp(("unit",), 0.0, 0.2, endpoint=False)}
    assert parsed.init is not None
    assert plain(parsed.init) == {"conv2d": {"bias": "zeros"}}
    assert (unit.kind, len(unit.items), str(unit.span)) == ("sequence", 2, "<test>:9:3")
    assert [(p.name, p.type, p.default and plain(p.default)) for p in unit.parameters.values()] == [
        ("width", "int", None),
        ("stride", "int", 1),
    ]
    assert {name: plain(value) for name, value in unit.let.items()} == {
        "hidden": "2 * $width",
        "pair": ["$width", 1],
    }


def test_parameters_have_their_defaults() -> None:
    values = spec(HEAD + PARAMETERS + "layers: [relu]").resolve({})
    activation = values.pop("activation")
    assert isinstance(activation, Call)
    assert activation.word == "relu"
    assert values == {
        "num_classes": 10, "rate": 1, "bias": False, "mode": "010", "kernel_size": (3, 5), "norm": None
    }  # fmt: skip


def test_settings_replace_defaults() -> None:
    settings = {
        "num_classes": "0x10", "rate": "1e-3", "bias": "true", "mode": "true", "kernel_size": "[1, 7]",
        "norm": "batch_norm",
    }  # fmt: skip
    values = spec(HEAD + PARAMETERS + "layers: [relu]").resolve(settings)
    norm = values.pop("norm")
    assert isinstance(norm, Call)
    assert norm.word == "batch_norm"
    del values["activation"]
    assert values == {"num_classes": 16, "rate": 1e-3, "bias": True, "mode": "true", "kernel_size": (1, 7)}


@pytest.mark.parametrize(
    ("name", "text", "message", "help"),
    [
        ("num_class", "5", "net has no parameter 'num_class'", "did you mean 'num_classes'?"),
        ("num_classes", "5.5", "the parameter 'num_classes' must be an integer, not '5.5'", None),
        ("num_classes", "yes", "the parameter 'num_classes' must be an integer, not 'yes'", None),
        ("num_classes", "", "the parameter 'num_classes' must be an integer, not ''", None),
        ("num_classes", "true", "the parameter 'num_classes' must be an integer, not 'true'", None),
        ("bias", "no", "the parameter 'bias' must be true or false, not 'no'", None),
        ("bias", "1", "the parameter 'bias' must be true or false, not '1'", None),
        ("rate", ".nan", "the parameter 'rate' cannot be '.nan': the number is not finite", None),
        (
            "kernel_size",
            "[[1, 2], 3]",
            "the parameter 'kernel_size' must be an integer or a pair of them, not '[[1, 2], 3]'",
            None,
        ),
        (
            "kernel_size",
            "[1, 2, 3]",
            "the parameter 'kernel_size' must be an integer or a pair of them, not '[1, 2, 3]'",
            None,
        ),
        ("activation", "3", "the parameter 'activation' must be an operator or block, or none, not '3'", None),
        ("norm", "a b", "the parameter 'norm' must be an operator or block, or none, not 'a b'", None),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(name: str, text: str, message: str, help: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        spec(HEAD + PARAMETERS + "layers: [relu]").resolve({name: text})
    assert [(found.message, found.help) for found in caught.value.diagnostics] == [(message, help)]


def test_a_setting_is_not_read_recursively() -> None:
    with pytest.raises(UsageError):
        spec(HEAD + PARAMETERS + "layers: [relu]").resolve({"kernel_size": "[" * 5000 + "]" * 5000})


SHARED = "blocks:\n  unit: {layers: [shared]}\n  other: {parameters: {a: int}, inline: [shared]}\n"


def test_shared_blocks_come_from_the_folder_of_the_spec_and_its_own_come_first(tmp_path: Path) -> None:
    (tmp_path / "units.yaml").write_text(SHARED)
    text = HEAD + "use: [units.yaml]\nblocks: {unit: {layers: [own]}}\nlayers: [unit, other: 1]\n"
    blocks = spec(text, tmp_path).blocks
    assert [item.word for item in blocks["unit"].items if isinstance(item, Call)] == ["own"]
    assert [item.word for item in blocks["other"].items if isinstance(item, Call)] == ["shared"]
    assert str(blocks["other"].span) == f"{tmp_path / 'units.yaml'}:3:3"


def test_a_problem_in_a_shared_file_is_placed_there(tmp_path: Path) -> None:
    (tmp_path / "units.yaml").write_text("name: x\nblocks: {unit: {layers: []}}\n")
    with pytest.raises(SpecError) as caught:
        spec(HEAD + "use: [units.yaml]\nlayers: [unit]\n", tmp_path)
    path = tmp_path / "units.yaml"
    assert [f"{found.span} {found.code}" for found in caught.value.diagnostics] == [
        f"{path}:1:1 unknown-key",
        f"{path}:2:25 empty",
    ]


@pytest.mark.parametrize("name", ["../out.yaml", "/etc/passwd", "link.yaml", "a\\0b", "x" * 300, ".", "units"])
def test_a_shared_file_outside_is_never_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / "out.yaml").write_text(SHARED)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link.yaml").symlink_to(tmp_path / "out.yaml")
    with pytest.raises(SpecError) as caught:
        spec(HEAD + f'use: ["{name}"]\nlayers: [unit]\n', folder)
    assert [found.code for found in caught.value.diagnostics] in (["bad-path"], ["unreadable"])


def test_the_resolved_text_needs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "units.yaml").write_text(SHARED)
    path = tmp_path / "net.yaml"
    path.write_text(HEAD + "use: [units.yaml]\nparameters: {n: int = 1, k: size}  # why\nlayers: [unit, other: $n]\n")
    text = resolved_text(path, {"n": "5", "k": "[1, 2]"})
    assert text == (
        "name: net\n"
        "input: {channels: 3, height: 8, width: 8}\n"
        "parameters:\n"
        "  n: int = 5\n"
        "  k: size = [1, 2]\n"
        "\n"
        "blocks:\n"
        "  unit:\n"
        "    layers:\n"
        "      - shared\n"
        "  other:\n"
        "    parameters: {a: int}\n"
        "    inline:\n"
        "      - shared\n"
        "\n"
        "layers:\n"
        "  - unit\n"
        "  - other: $n\n"
    )
    alone = tmp_path / "elsewhere" / "net.yaml"
    alone.parent.mkdir()
    alone.write_text(text)
    assert load_spec(alone).resolve({}) == {"n": 5, "k": (1, 2)}
    assert resolved_text(alone, {}) == text


@pytest.mark.parametrize("path", bundled_specs().values(), ids=lambda path: path.stem)
def test_bundled_specs_read_back_from_their_resolved_text(path: Path, tmp_path: Path) -> None:
    resolved = tmp_path / path.name
    resolved.write_text(resolved_text(path, {}))
    assert load_spec(resolved).name == load_spec(path).name
    assert resolved_text(resolved, {}) == resolved.read_text()
