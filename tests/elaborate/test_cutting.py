"""A network that is cut: which value a name means, what is left, and which names are refused."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from archc.builds.compilation import compile_spec
from archc.diagnostics import Source, SpecError, UsageError
from archc.elaborate.cutting import output_name
from archc.ir.graph import Graph
from archc.ir.verifier import verify_graph
from archc.spec.loading import parse_text
from tests.elaborate.specs import HEAD, keys, paths

TEXT = """\
- conv2d: {name: stem, out_channels: 4, kernel_size: 1}
- mark: early
- stage: {name: stage1, count: 2}
- mark: c2
- kept: {name: stage2}
- features:
    - relu
    - sequence: [tanh, sigmoid]
- basic: {name: python, width: 8, stride: 2}
- sum: [identity, [from: c2, conv2d: {name: side, out_channels: 8, kernel_size: 1, stride: 2}]]
- output: middle
- from: early
- flatten
- linear: 10
"""
BLOCKS = """\
blocks:
  stage:
    layers:
      - mark: x
      - conv2d: {name: conv, out_channels: 4, kernel_size: 1}
      - sum: [identity, from: x]
      - relu
  kept:
    layers:
      - mark: x
      - relu: {name: act}
      - mark: aside
      - conv2d: {name: conv, out_channels: 4, kernel_size: 1}
      - product: [identity, from: aside]
      - mark: y
      - tanh: {name: gate}
      - sum: [identity, from: x]
      - sum: [from: y, identity]
"""


def cut(*outputs: str, text: str = TEXT, head: str = HEAD + BLOCKS) -> Graph:
    spec = parse_text(Source("net.yaml", f"{head}layers:\n{indent(dedent(text), '  ')}"), Path())
    graph = compile_spec(spec.cut_at(outputs), {})
    verify_graph(graph)
    return graph


def given(graph: Graph) -> dict[str, str]:
    return {output.name: output.value.name for output in graph.outputs}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("stem", "stem"),
        ("early", "stem"),
        ("c2", "stage1.1.relu"),
        ("stage1", "stage1.1.relu"),
        ("stage1.0", "stage1.0.relu"),
        ("stage1.0.conv", "stage1.0.conv"),
        ("stage1.0:sum", "stage1.0:sum"),
        ("stage2", "stage2:sum_1"),
        ("features", "features.1.1"),
        ("features.1", "features.1.1"),
        ("python", "python.relu_1"),
        ("python.downsample", "python.downsample.1"),
        ("middle", ":sum"),
        ("output", "linear"),
    ],
)
def test_a_name_means_what_the_mark_module_or_scope_gives(path: str, value: str) -> None:
    assert list(given(cut(path)).values()) == [value]


def test_a_scope_gives_its_value_whatever_was_computed_last() -> None:
    text = """\
    - head:
        - conv2d: {out_channels: 4, kernel_size: 1}
        - mark: first
        - relu
        - mark: second
        - from: first
    - sum: [identity, from: second]
    """
    assert list(given(cut("head", text=text, head=HEAD)).values()) == ["head.0"]


def test_the_outputs_have_the_order_and_names_that_were_asked_for() -> None:
    graph = cut("stage1.1", "stem", "stage1.0:sum")
    assert list(given(graph)) == ["stage1_1", "stem", "stage1_0_sum"]
    assert not any(output.training_only for output in graph.outputs)


@pytest.mark.parametrize(
    ("path", "name"),
    [("layer3.2", "layer3_2"), ("0", "output_0"), ("0.1", "output_0_1"), (":sum", "sum"), ("my-mark.if", "my_mark_if"),
     ("class", "output_class")],
)  # fmt: skip
def test_the_name_of_an_output_is_made_of_the_path(path: str, name: str) -> None:
    assert output_name(path) == name


def test_what_comes_after_is_left_out() -> None:
    graph = cut("stage1.1.conv", "stage1.0")
    assert paths(graph) == [
        "stem", "stage1.0.conv", "stage1.0:sum", "stage1.0.relu", "stage1.1.conv",
    ]  # fmt: skip
    assert keys(graph) == [
        "stem.weight", "stem.bias", "stage1.0.conv.weight", "stage1.0.conv.bias", "stage1.1.conv.weight",
        "stage1.1.conv.bias",
    ]  # fmt: skip


def test_a_value_may_have_two_names() -> None:
    assert given(cut("c2", "stage1")) == {"c2": "stage1.1.relu", "stage1": "stage1.1.relu"}


def test_an_auxiliary_head_that_is_named_is_an_output_like_others() -> None:
    text = "- relu\n- aux: {side: [flatten, linear: 3]}\n- flatten\n- linear: 2\n"
    graph = cut("side", text=text, head=HEAD)
    assert [(output.name, output.training_only) for output in graph.outputs] == [("side", False)]
    assert keys(graph) == ["side.1.weight", "side.1.bias"]


def test_inputs_that_are_not_needed_are_left_out() -> None:
    size = "{channels: 3, height: 8, width: 8}"
    head = f"name: net\ninputs: {{image: {size}, mask: {size}}}\n"
    text = "- relu: {name: act}\n- sum: [identity, [from: mask, tanh: {name: gate}]]\n"
    assert [value.name for value in cut("act", text=text, head=head).inputs] == ["image"]
    assert [value.name for value in cut("gate", text=text, head=head).inputs] == ["mask"]
    assert [value.name for value in cut("act", "gate", text=text, head=head).inputs] == ["image", "mask"]


def test_a_spec_can_say_it_and_a_mark_is_used_by_it() -> None:
    text = "- relu\n- mark: early\n- flatten\n- linear: 2\n"
    assert given(cut(text=text, head=HEAD + "outputs: [linear, early]\n")) == {"linear": "linear", "early": "relu"}
    assert given(cut("flatten", text=text, head=HEAD + "outputs: [linear, early]\n")) == {"flatten": "flatten"}


def test_several_names_that_are_wrong_are_told_together_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        cut("stage3", "stage1.2", "nothing", "stem")
    assert [(each.code, each.message, each.help) for each in caught.value.diagnostics] == [
        ("unknown-name", "net has no module or mark 'stage3'", "did you mean 'stage2', 'stage1' or 'stage1.1'?"),
        ("unknown-name", "net has no module or mark 'stage1.2'", "did you mean 'stage1.1', 'stage1.0' or 'stage2'?"),
        (
            "unknown-name",
            "net has no module or mark 'nothing'",
            "at the top level there are stage1, stage2, features, python, stem, side, flatten, linear, output, middle "
            "and 2 more",
        ),
    ]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (("input",), "'input' gives the input 'input' unchanged"),
        (("same",), "'same' gives the input 'input' unchanged"),
        (("act", "act"), "there is already an input or output 'act'"),
        (("a.b", "a_b"), "there is already an input or output 'a_b'"),
        (("head_1",), "head_1 has the tensors of head, which is left out"),
    ],
)
def test_what_cannot_be_an_output_is_refused(outputs: tuple[str, ...], message: str) -> None:
    text = """\
    - same: [identity]
    - relu: {name: act}
    - a: {layers: [tanh: {name: b}]}
    - mark: x
    - conv2d: {name: head, out_channels: 3, kernel_size: 1}
    - mark: one
    - from: x
    - sigmoid: {name: a_b}
    - share: head
    - sum: [identity, from: one]
    """
    with pytest.raises(UsageError) as caught:
        cut(*outputs, text=text, head=HEAD)
    assert [problem.message for problem in caught.value.diagnostics] == [message]
    assert given(cut("head", "head_1", text=text, head=HEAD)) == {"head": "head", "head_1": "head_1"}


def test_a_spec_s_own_outputs_are_refused_at_their_place() -> None:
    with pytest.raises(SpecError) as caught:
        cut(text="- relu", head=HEAD + "outputs: [rellu]\n")
    assert str(caught.value).startswith("net.yaml:3:11: error[unknown-name]: net has no module or mark 'rellu'\n")
