"""Modules of random specs are lifted again, and proved. The long run is `python -m tests.campaigns.lift.own`."""

from collections import Counter

import pytest

from tests.campaigns.lift.own import SAME, check
from tests.campaigns.random.campaign import run_batch

NETWORKS = 50


def test_the_module_of_a_random_spec_is_lifted_and_proved() -> None:
    outcome = run_batch(0, check, NETWORKS)
    assert outcome.failures == []
    assert Counter(outcome.findings.values())[SAME] > NETWORKS / 3


def spec(*items: str) -> str:
    return "\n".join(
        ["name: net", "input: {channels: 4, height: 9, width: 8}", "layers:", *(f"  - {i}" for i in items)]
    )


SEQUENCE = "sequence: [mark: a, {conv2d: {name: b, out_channels: 4, kernel_size: 1}}, gelu, {sum: [identity, from: a]}]"
ALONE = "rearrange: {pattern: '1 1 -> 1 1 1'}"
FOUND = {
    "a mean of all steps": spec("batch_norm: {momentum: null}"),
    "a mean of all steps in a block": spec(
        "sequence: [mark: a, {batch_norm: {momentum: null}}, {sum: [identity, from: a]}]"
    ),
    "a filter of another size": spec("blur_pool2d: {filter_size: 4, stride: 3}"),
    "a filter that is not odd": spec("blur_pool2d: {filter_size: 2, stride: 1}"),
    "a module that is called like a word": spec(SEQUENCE),
    "a value that is one number": spec("mean: [1, 2, 3]", "product: [identity, tanh]", "relu6"),
    "axes of size 1 alone": spec(f"sum: [identity, [{{parameter: {{shape: [1, 1]}}}}, {{{ALONE}}}]]"),
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_what_the_long_run_found_is_lifted_and_proved(text: str) -> None:
    check(text)
