"""The JSON Schema that editors use: every bundled spec fits, and common mistakes do not."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from archc.blocks import BLOCKS
from archc.diagnostics import Source
from archc.operators import OPERATORS, operator_model
from archc.reference.schema import json_schema
from archc.spec.bundled import bundled_specs, specs_folder
from archc.spec.tree import plain
from archc.spec.yaml.loader import load


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def data(text: str) -> Any:
    return plain(load(Source("net.yaml", text)))


@pytest.mark.parametrize("name", bundled_specs())
def test_every_bundled_spec_fits(name: str, validator: jsonschema.Draft202012Validator) -> None:
    errors = validator.iter_errors(data(bundled_specs()[name].read_text(encoding="utf-8")))
    assert [error.message for error in errors] == []


HEAD = "name: net\ninput: {channels: 3, height: 32, width: 32}\n"
FITTING = {
    "an expression as a field": "parameters: {n: int = 4}\nlayers: [conv2d: {out_channels: 2 * $n, kernel_size: 3}]",
    "a short form": "layers: [flatten, linear: 10]",
    "a short form that is an expression": "parameters: {n: int = 4}\nlayers: [flatten, linear: $n]",
    "a layer": "layers: [basic: {width: 8, activation: {leaky_relu: {negative_slope: 0.1}}, norm: none}]",
    "a parameter as an item": "parameters: {act: layer = relu}\nlayers: [$act]",
    "a list, one of its numbers and a condition": "parameters: {n: 'list = [4, 8]'}\n"
    "layers: [conv2d: {out_channels: 4 if true else 8, kernel_size: '$n[1]'}]",
    "a parameter as an item with a name": "parameters: {act: layer = relu}\nlayers: [$act: {name: act}]",
    "a scope": "layers: [{stem: {layers: [relu, {deep: {layers: [tanh]}}]}}, {sum: [{a: {layers: [relu]}}, identity]}]",
    "a list as the first field": "layers: [permute: [0, 2, 3, 1], max_pool2d: [2, 1]]",
    "a list as an own block's first field": "blocks: {b: {parameters: {n: list}, layers: [relu]}}\nlayers: [b: [1, 2]]",
    "a condition": "parameters: {deep: bool = true}\nlayers: [{when: $deep, then: relu, else: [tanh, relu]}]",
    "branches": "layers: [{sum: [identity, [relu, tanh], {linear: 3}]}]",
    "an own block": "blocks: {mine: {parameters: {width: int}, inline: [linear: $width]}}\nlayers: [mine: 3]",
    "dynamic sizes": "layers: [relu]\n",
    "an identity with a name": "layers: [identity, identity: {name: here}]",
    "the same padding": "layers: [conv2d: {out_channels: 3, kernel_size: 3, padding: same}]",
    "names that YAML reads otherwise": "layers: [relu: {name: 1.5}, tanh: {name: true}, elu: {name: 3}]",
    "own parameters": "init: {parameter: zeros}\n"
    "layers: [sum: [parameter: {name: a.b, shape: [3, 1, 1], init: {constant: 1e-6}}, identity]]",
    "constants": "layers: [sum: [constant: {value: full, shape: [3, 1], fill_value: 1, persistent: true}, identity]]",
    "marks": "blocks:\n"
    "  b: {parameters: {skip: value}, results: [low], layers: [{mark: low}, {sum: [from: skip, relu]}]}\n"
    "layers: [mark: a, relu, b: {skip: a, results: [c]}, {sum: [from: $c, {from: a}]}]",
    "branches in fields": "layers: [attention: {query: [relu], key: identity, value: {from: a},"
    " bias: {when: true, then: none, else: tanh}, scale: 0.5}, gather: {index: [tanh], dim: 1}]",
    "sizes of a pattern": "layers: [rearrange: {pattern: b (h p) w -> b (p h) w, p: 2}, rearrange: b h w -> b (h w)]",
    "joins with fields": "layers: [concat: {dim: -1, branches: [identity, relu]}, sum: {branches: [identity, relu]}]",
    "other keys": "layers: [linear: {out_features: 3, keys: {weight: in_proj_weight, bias: a.0.b}}]",
    "an item once more": "layers: [linear: {name: a.1, out_features: 3}, share: a.1]",
    "expressions in initializers": "parameters: {s: float = 1}\ninit: {linear: {weight: {normal: {std: 2 * $s}}}}\n"
    "layers: [flatten, linear: {out_features: 2, init: {bias: {constant: $s / $features}}}]",
    "initializers": "init: {linear: {weight: {normal: {std: 0.01}}, bias: zeros}}\nlayers: [flatten, linear: 2]",
}


@pytest.mark.parametrize("what", FITTING)
def test_what_a_spec_may_write_fits(what: str, validator: jsonschema.Draft202012Validator) -> None:
    head = HEAD.replace("height: 32", "height: {min: 16, opt: 32, max: 64}") if what == "dynamic sizes" else HEAD
    assert [error.message for error in validator.iter_errors(data(head + FITTING[what]))] == []


BROKEN = {
    "no network": "",
    "two networks": "layers: [relu]\nhead: [relu]",
    "an unknown key": "layers: [relu]\nlayer: [relu]",
    "an unknown operator": "layers: [rellu]",
    "an unknown operator with fields": "layers: [convv2d: {out_channels: 3, kernel_size: 3}]",
    "an unknown field": "layers: [conv2d: {out_channels: 3, kernal_size: 3}]",
    "a missing field": "layers: [conv2d: {out_channels: 3}]",
    "a number that is too small": "layers: [conv2d: {out_channels: 0, kernel_size: 3}]",
    "a word for a number": "layers: [conv2d: {out_channels: three, kernel_size: 3}]",
    "three numbers for a pair": "layers: [conv2d: {out_channels: 3, kernel_size: [3, 3, 3]}]",
    "a choice that is none": "layers: [basic: {width: 8, shortcut: projektion}]",
    "a field that is not indented": "layers:\n  - conv2d:\n    kernel_size: 3",
    "one branch": "layers: [sum: [relu]]",
    "one branch beside a field": "layers: [concat: {dim: 1, branches: [relu]}]",
    "a field of a join without branches": "layers: [concat: {dim: 1}]",
    "a name for a join": "layers: [sum: {name: a, branches: [relu, identity]}]",
    "a branch of attention that is missing": "layers: [attention: {query: identity, key: identity}]",
    "a branch that is a number": "layers: [gather: {index: 3}]",
    "several initializers of one tensor": "layers: [sum: [parameter: {shape: 3, init: {weight: zeros}}, identity]]",
    "a key of another tensor": "layers: [linear: {out_features: 3, keys: {wait: a}}]",
    "keys of what has none": "layers: [relu: {keys: {weight: a}}]",
    "a size of no pattern": "layers: [rearrange: {pattern: a b -> a b, p: 0}]",
    "a constant without a function": "layers: [sum: [constant: {shape: 3}, identity]]",
    "a function of another's fields": "layers: [sum: [constant: {value: full, height: 3}, identity]]",
    "a function that is none": "layers: [sum: [constant: {value: relu}, identity]]",
    "a mark that is a list": "layers: [mark: [relu]]",
    "a name that no expression has": "layers: [mark: a-b]",
    "a condition without then": "layers: [{when: true, else: relu}]",
    "an unknown initializer": "init: {linear: {weight: zeroes}}\nlayers: [relu]",
    "an initializer for an operator without tensors": "init: {relu: {weight: zeros}}\nlayers: [relu]",
    "a signature of no type": "parameters: {n: integer = 3}\nlayers: [relu]",
    "a block of two bodies": "blocks: {b: {layers: [relu], inline: [relu]}}\nlayers: [b]",
    "a list under a call": "layers: [conv2d: [relu]]",
    "an output that no Python name can be": "layers: [relu, output: a-b]",
    "a padding that is a word": "layers: [conv2d: {out_channels: 3, kernel_size: 3, padding: valid}]",
    "a name of an item with a slash": "layers: [relu: {name: a/b}]",
    "a list of values that are none": "layers: [permute: [relu]]",
    "a list of numbers under a name": "layers: [features: [1, 2]]",
    "a scope of two keys": "layers: [stem: {layers: [relu], name: x}]",
    "a scope of an unknown operator": "layers: [stem: {layers: [rellu]}]",
    "a parameter as an item with fields": "parameters: {act: layer = relu}\nlayers: [$act: {name: act, eps: 3}]",
    "a count of nothing": "layers: [relu: {count: 0}]",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_mistake_does_not_fit(what: str, validator: jsonschema.Draft202012Validator) -> None:
    assert not validator.is_valid(data(HEAD + BROKEN[what]))


@pytest.mark.parametrize("key", ["name", "input"])
def test_a_spec_needs_a_name_and_an_input(key: str, validator: jsonschema.Draft202012Validator) -> None:
    text = "\n".join(line for line in (HEAD + "layers: [relu]").splitlines() if not line.startswith(key))
    assert not validator.is_valid(data(text))


def test_a_spec_has_one_input_or_several_by_name(validator: jsonschema.Draft202012Validator) -> None:
    size = "{channels: 3, height: 32, width: 32}"
    several = f"name: net\ninputs: {{image: {size}, mask: {size}}}\nlayers: [sum: [identity, relu]]\n"
    assert validator.is_valid(data(several))
    assert not validator.is_valid(data(several + f"input: {size}"))
    assert not validator.is_valid(data(several.replace("mask: {channels", "mask: {chanels")))


def test_every_word_is_offered_with_its_description_and_fields() -> None:
    calls = json_schema()["$defs"]["item-closed"]["else"]["else"]["properties"]
    assert {*OPERATORS, *BLOCKS} <= calls.keys()
    conv2d = calls["conv2d"]
    assert conv2d["description"] == operator_model("conv2d").__doc__ or conv2d["description"].startswith("Two-dim")
    assert conv2d["then"]["properties"].keys() == {*operator_model("conv2d").model_fields, "name", "count", "init"}


def conditions(schema: Any) -> Iterator[Any]:
    """The schema under every `if`. What stands under `properties` is named by words, of which `if` is none."""
    if isinstance(schema, dict):
        if "if" in schema:
            yield schema["if"]
        for part in schema.values():
            yield from conditions(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from conditions(part)


def test_every_condition_names_a_type() -> None:
    # `required`, `properties` and `pattern` hold for null, which is what an editor sees after '- '.
    found = list(conditions(json_schema()))
    assert len(found) > 50
    assert [condition for condition in found if "type" not in condition] == []


@pytest.mark.parametrize("words", ["open", "closed"])
def test_an_empty_item_is_no_when(words: str, validator: jsonschema.Draft202012Validator) -> None:
    item = json_schema()["$defs"][f"item-{words}"]["else"]
    empties: list[Any] = [None, {}, []]
    for empty in empties:
        assert not validator.evolve(schema=item["if"]).is_valid(empty)
    assert validator.evolve(schema=item["if"]).is_valid({"when": True})


def test_values_that_can_be_listed_are_offered_where_an_expression_may_stand() -> None:
    schema = json_schema()
    basic = schema["$defs"]["item-closed"]["else"]["else"]["properties"]["basic"]["then"]["properties"]
    assert basic["shortcut"]["examples"] == ["auto", "projection", "identity"]
    assert basic["bias"]["examples"] == [True, False]
    assert basic["norm"] == {"$ref": "#/$defs/layer"}
    assert {"none", "batch_norm", "relu"} <= {*schema["$defs"]["layer"]["examples"]}
    assert "kaiming_normal" in schema["$defs"]["initializer"]["examples"]


def test_the_shipped_schema_is_what_the_command_prints() -> None:
    shipped = (specs_folder() / "archc.schema.json").read_text(encoding="utf-8")
    assert shipped == json.dumps(json_schema(), indent=2) + "\n", "run archc schema > specs/archc.schema.json"


@pytest.mark.parametrize("name", bundled_specs())
def test_every_bundled_spec_tells_editors_its_schema(name: str) -> None:
    first, *_ = bundled_specs()[name].read_text(encoding="utf-8").splitlines()
    assert first == f"# yaml-language-server: $schema={'../' * name.count('/')}archc.schema.json"
