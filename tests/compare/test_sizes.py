"""A comparison runs small images where both sides take them, and more images of the declared size where not."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from archc.compare import Comparison, Verdict, compare
from archc.compare.agreement import Agreement
from tests.compare.networks import SPEC, Small, graph

LARGE = SPEC.replace("height: 24, width: 24", "height: 192, width: 192")


def refusing(*sizes: int) -> Small:
    """A module that refuses images of these heights."""

    def refuse(module: nn.Module, given: tuple[torch.Tensor]) -> None:
        if given[0].shape[-2] in sizes:
            raise ValueError("wrong size")

    net = Small()
    net.register_forward_pre_hook(refuse)
    return net


def sizes(found: Comparison) -> tuple[str, str]:
    assert found.verdict is Verdict.EQUAL
    return found.check("outputs").detail, found.check("training").detail


def test_two_images_and_the_training_step_are_of_the_smallest_size() -> None:
    found = compare(graph(LARGE), Small())
    assert sizes(found) == ("sizes 1×3×192×192, 3×3×96×120, 2×3×48×60", "size 3×3×48×60")
    assert found.notes == ()


def test_where_the_smallest_size_is_refused_the_next_takes_its_place() -> None:
    found = compare(graph(LARGE), refusing(48))
    assert sizes(found) == ("sizes 1×3×192×192, 3×3×96×120, 2×3×96×120", "size 3×3×96×120")
    assert found.notes[0].startswith("2×3×48×60 is not declared: the network takes it, and the module does not (")


def test_where_another_size_is_refused_no_smaller_one_is_tried() -> None:
    found = compare(graph(LARGE), refusing(96))
    assert sizes(found) == ("sizes 1×3×192×192, 2×3×192×192", "size 3×3×192×192")
    assert len(found.notes) == 1


class Plain(nn.Module):
    """No batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.fc(x)


def test_without_batch_norm_a_step_has_two_images_and_three_are_run_outside_training() -> None:
    spec = "name: plain\ninput: {features: 4}\nlayers:\n  - linear: {name: fc, out_features: 2}\n"
    assert sizes(compare(graph(spec), Plain())) == ("sizes 1×4, 3×4", "size 2×4")


def test_no_run_in_float32_is_needed_where_the_last_digits_alone_differ() -> None:
    own = torch.tensor([1.0, 2.0], dtype=torch.float64)
    asked: list[str] = []

    def single() -> dict[str, torch.Tensor]:
        asked.append("")
        return {"y": own.float()}

    agreement = Agreement(single)
    assert dict(agreement.different({"y": own}, {"y": own + 2.0**-50})) == {}
    assert not asked
    assert list(dict(agreement.different({"y": own}, {"y": own + 2.0**-40}))) == ["y"]
    assert asked


def test_a_gradient_of_zero_may_be_computed_as_a_rounding_of_other_gradients() -> None:
    large, noise = torch.tensor([3.0], dtype=torch.float64), torch.tensor([1e-17], dtype=torch.float64)
    agreement = Agreement(lambda: {"weight": large.float(), "bias": noise.float() * 0})
    assert dict(agreement.different({"weight": large, "bias": noise}, {"weight": large, "bias": 0 * noise})) == {}
    ours, theirs = {"weight": large, "bias": noise}, {"weight": large, "bias": noise + 1e-9}
    assert list(dict(agreement.different(ours, theirs))) == ["bias"]


def test_an_infinite_tensor_hides_no_difference_of_another() -> None:
    mask, own = torch.tensor([-torch.inf, 0.0]).double(), torch.tensor([1.0]).double()
    agreement = Agreement(lambda: {"mask": mask.float(), "y": own.float()})
    assert list(dict(agreement.different({"mask": mask, "y": own}, {"mask": mask, "y": own + 1e-6}))) == ["y"]
