"""Branches, conditions, outputs and auxiliary heads."""

import pytest

from archc.diagnostics import SpecError
from archc.ir.printer import print_graph
from tests.elaborate.specs import HEAD, compiled, layers, paths, refusal


def test_branches_share_their_input_and_are_joined_from_left_to_right() -> None:
    graph = layers("""\
        - tanh
        - concat:
            - relu
            - identity
            - [relu: {name: a}, sigmoid: {name: b}]
            - none
        - product: [none, relu]
        - sum: [identity, identity]
        """)
    assert (
        print_graph(graph)
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  tanh    = tanh(input)           : float32[batch, 3, 32, 32]
  relu    = relu(tanh)            : float32[batch, 3, 32, 32]
  a       = relu(tanh)            : float32[batch, 3, 32, 32]
  b       = sigmoid(a)            : float32[batch, 3, 32, 32]
  :concat = concat(relu, tanh, b) : float32[batch, 9, 32, 32]
  relu_1  = relu(:concat)         : float32[batch, 9, 32, 32]
  :sum    = sum(relu_1, relu_1)   : float32[batch, 9, 32, 32]
  return output = :sum
"""
    )


def test_a_composite_without_any_branch_is_refused() -> None:
    assert (
        refusal("- sum: [none, none]")
        == """\
net.yaml:4:5: error[empty]: every branch of this sum is absent
  |
4 |   - sum: [none, none]
  |     ^^^
"""
    )


SHORTCUT = """\
- conv2d: {out_channels: $width, kernel_size: 1}
- residual: {stride: $stride}
"""
RESIDUAL = """\
parameters: {width: int = 4, stride: int = 1}
blocks:
  residual:
    parameters: {stride: int}
    layers:
      - sum:
          - max_pool2d: {kernel_size: 1, stride: $stride}
          - when: $stride == 1 and $in_channels > 2
            then: identity
            else: none
      - when: not ($stride == 1 or $in_channels == 4)
        then: [sigmoid, tanh]
"""


@pytest.mark.parametrize(
    ("width", "stride", "body"),
    [
        ("4", "1", ["residual.max_pool2d", "residual:sum"]),
        ("4", "2", ["residual.max_pool2d"]),
        ("2", "1", ["residual.max_pool2d"]),
        ("2", "2", ["residual.max_pool2d", "residual.sigmoid", "residual.tanh"]),
    ],
)
def test_a_condition_chooses_items_and_branches(width: str, stride: str, body: list[str]) -> None:
    assert paths(layers(SHORTCUT, RESIDUAL, width=width, stride=stride))[1:] == body


def test_a_condition_must_be_true_or_false() -> None:
    assert (
        refusal("- when: $k\n  then: relu", "parameters: {k: int = 3}")
        == """\
net.yaml:5:11: error[invalid-value]: the condition must be true or false, not 3
  |
5 |   - when: $k
  |           ^^
"""
    )


def test_the_last_value_is_the_first_output_and_others_follow_in_order() -> None:
    graph = layers("- relu\n- output: low\n- tanh\n- output: middle\n- sigmoid")
    assert [(o.name, o.value.name) for o in graph.outputs] == [
        ("output", "sigmoid"),
        ("low", "relu"),
        ("middle", "tanh"),
    ]


def test_an_output_at_the_end_renames_the_first() -> None:
    graph = layers("- relu\n- output: low\n- tanh\n- output: logits\n")
    assert [(o.name, o.value.name) for o in graph.outputs] == [("logits", "tanh"), ("low", "relu")]


def test_an_output_s_name_is_taken_once() -> None:
    text = refusal("- output: input\n- relu\n- output: a\n- output: a\n- output: output\n- relu")
    assert [line for line in text.splitlines() if "error[" in line] == [
        "net.yaml:4:13: error[name-taken]: there is already an input or output 'input'",
        "net.yaml:7:13: error[name-taken]: there is already an input or output 'a'",
        "net.yaml:9:5: error[name-taken]: the network's last value is called 'output' already",
    ]


@pytest.mark.parametrize(("items", "line"), [("- output: input", 4), ("- relu\n- output: input", 5)])
def test_a_taken_name_is_told_of_the_last_output_too(items: str, line: int) -> None:
    (told,) = [told for told in refusal(items).splitlines() if "error[" in told]
    assert told == f"net.yaml:{line}:13: error[name-taken]: there is already an input or output 'input'"


def test_an_auxiliary_head_is_an_output_in_training_only_and_does_not_change_the_main_path() -> None:
    graph = layers("""\
        - relu
        - aux: {side: [flatten, linear: 2]}
        - tanh
        - aux: {conv2d: {name: mask, out_channels: 1, kernel_size: 1}}
        - sigmoid
        """)
    assert [(o.name, o.value.name, o.training_only) for o in graph.outputs] == [
        ("output", "sigmoid", False), ("side", "side.1", True), ("mask", "mask", True),
    ]  # fmt: skip
    assert [value.name for node in graph.nodes if node.path == "tanh" for value in node.inputs] == ["relu"]


def test_an_auxiliary_head_needs_a_name() -> None:
    assert (
        refusal("- aux: relu\n- relu")
        == """\
net.yaml:4:5: error[missing-field]: an auxiliary head needs a name, which its output has
  |
4 |   - aux: relu
  |     ^^^
"""
    )


DYNAMIC = """\
name: net
input: {channels: 3, height: {min: 16, opt: 32, max: 64}, width: 32, batch: {min: 2, opt: 4, max: 16}}
layers:
  - conv2d: {out_channels: 4, kernel_size: 3, stride: 2}
  - mean: {dim: [2, 3]}
  - linear: 2
"""


def test_a_dynamic_size_flows_through_the_network() -> None:
    graph = compiled(DYNAMIC)
    batch, _, height, _ = graph.input.type.shape
    assert not isinstance(batch, int)
    assert not isinstance(height, int)
    assert (batch.minimum, batch.optimum, batch.maximum) == (2, 4, 16)
    assert (height.minimum, height.optimum, height.maximum) == (16, 32, 64)
    assert [str(node.output.type) for node in graph.nodes] == [
        "float32[batch, 4, (height - 1)//2, 15]", "float32[batch, 4]", "float32[batch, 2]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("item", "position", "message", "help"),
    [
        ("flatten", 5, "flatten cannot flatten the dynamic size (height - 1)//2",
         "pool to a fixed size before, for example with adaptive_avg_pool2d: 1"),
        ("adaptive_avg_pool2d: 7", 26,
         "adaptive_avg_pool2d has windows that depend on the size, "
         "but float32[batch, 4, (height - 1)//2, 15] is dynamic",
         "a dynamic size can be pooled to 1"),
    ],
)  # fmt: skip
def test_what_depends_on_a_dynamic_size_is_refused_with_its_position(
    item: str, position: int, message: str, help: str
) -> None:
    with pytest.raises(SpecError) as caught:
        compiled(DYNAMIC.replace("mean: {dim: [2, 3]}", item))
    first, *_, last = str(caught.value).splitlines()
    assert first == f"net.yaml:5:{position}: error[shape-mismatch]: {message}"
    assert last == f"  = help: {help}"


def test_a_window_must_fit_at_the_smallest_size() -> None:
    with pytest.raises(SpecError) as caught:
        compiled(DYNAMIC.replace("kernel_size: 3", "kernel_size: 17"))
    assert str(caught.value).splitlines()[0] == (
        "net.yaml:4:44: error[shape-mismatch]: conv2d window of 17 pixels does not fit into 16 "
        "(size height with padding)"
    )


def over_budget(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        compiled(text)
    assert caught.value.exit_status == 2
    return f"{caught.value}\n"


def test_too_many_parameters_are_refused_at_the_costliest_item() -> None:
    convolutions = (f"  - conv2d: {{out_channels: 100000, kernel_size: {size}}}\n" for size in (1, 3))
    assert over_budget(f"{HEAD}layers:\n{''.join(convolutions)}").splitlines()[0] == (
        "net.yaml:5:5: error[over-budget]: the network has 90,000,500,000 parameters, more than the limit of "
        "4,000,000,000; this item alone has 90,000,100,000"
    )


def test_too_large_activations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_MAX_ACTIVATION_BYTES", "20000")
    assert (
        over_budget(f"{HEAD}layers: [relu, tanh]")
        == """\
net.yaml:3:10: error[over-budget]: the network has 24,576 bytes of activations for one image, more than the \
limit of 20,000; this item alone has 12,288
  |
3 | layers: [relu, tanh]
  |          ^^^^
  = help: ARCHC_MAX_ACTIVATION_BYTES raises the limit
"""
    )


@pytest.mark.parametrize("item", ["relu: {count: 1000000000000}", "basic: {width: 3, count: 100000}"])
def test_too_many_operators_are_refused_before_they_are_made(item: str) -> None:
    assert over_budget(f"{HEAD}layers:\n  - {item}\n").splitlines()[0] == (
        "net.yaml:4:5: error[over-budget]: the network has more than 10,000 operators"
    )


def test_definitions_cannot_multiply_beyond_the_limit_without_making_operators(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARCHC_MAX_NODES", "100")
    blocks = "".join(f"  b{i}: {{layers: [{{b{i + 1}: {{count: 20}}}}]}}\n" for i in range(9))
    text = f"{HEAD}blocks:\n{blocks}  b9: {{inline: [identity]}}\nlayers: [b0]\n"
    assert "error[over-budget]" in over_budget(text)


NOTHING_LEFT = [
    "when: false\n  then: relu",
    "output: q",
    "sum: [identity, {when: false, then: relu, else: none}]",
    "aux: {side: [relu]}",
]


@pytest.mark.parametrize("item", NOTHING_LEFT)
def test_a_network_without_any_operator_is_refused_at_its_first_item(item: str) -> None:
    (told,) = [line for line in refusal(f"- {item}").splitlines() if "error[" in line]
    assert told == "net.yaml:4:5: error[empty]: nothing is left of the network: its output would be its input"


def test_an_auxiliary_head_s_name_is_not_that_of_another_output() -> None:
    text = refusal("- relu\n- output: side\n- aux: {side: [tanh]}\n- aux: {input: [tanh]}\n- tanh")
    assert [line for line in text.splitlines() if "error[" in line] == [
        "net.yaml:6:11: error[name-taken]: there is already an input or output 'side'",
        "net.yaml:7:11: error[name-taken]: there is already an input or output 'input'",
    ]
