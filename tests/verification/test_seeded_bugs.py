"""The proof is itself proved: it notices bugs seeded into correct exports, names the node, and delivers none of them.

Every bug is seeded here into one network that it applies to, and a few into the deepest;
`python -m tests.campaigns.bugs` seeds all of them everywhere.
"""

from functools import cache
from pathlib import Path

import pytest

from archc.builds.delivery import deliver
from archc.diagnostics import VerificationFailed
from archc.exporting import exporters
from archc.operators.activation import Relu
from archc.verification import Verdict
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.campaigns.bugs.catalogue import BUGS, Bug, WrongNumbers
from tests.campaigns.bugs.families import NODES, NUMBERS
from tests.campaigns.bugs.networks import Subject
from tests.campaigns.bugs.trial import WAYS, Trial, passing, trials, verified
from tests.campaigns.bugs.weights import WEIGHTS
from tests.exporters.small_networks import RESIDUAL, compiled

ONNX = exporters()["onnx"]

# In this order: the first that a bug applies to takes it.
SUBJECTS = (
    "resnet18",
    "mobilenet_v3_small",
    "mobilenet_v2",
    "alexnet_2012",
    "googlenet",
    "shufflenet_v2_x1_0",
    "densenet121",
    "efficientnet_b0",
    "inception_v3",
    "inception_resnet_v2",
    "resized",
    "transformer",
)
DEEP = (
    "weights_rounded_to_float16",
    "epsilon_of_another_framework",
    "activation_missing",
    "padding_shifted_by_one",
    "folding_without_beta",
)

subject = cache(Subject)


def first_trial(bug: Bug) -> Trial:
    return next(trial for name in SUBJECTS for trial in trials(bug, subject(name), ("middle",)))


@pytest.mark.parametrize("bug", NODES, ids=str)
def test_a_seeded_bug_is_noticed_by_the_numbers_and_its_node_is_named(bug: Bug) -> None:
    trial = first_trial(bug)
    assert trial.noticed
    assert trial.located, f"it is in {trial.node}, and the report says {trial.report.divergence}"


@pytest.mark.parametrize("name", DEEP)
def test_depth_hides_no_bug(name: str) -> None:
    (trial,) = trials(BUGS[name], subject("resnet152"), ("middle",))
    assert (trial.noticed, trial.located) == (True, True)


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "unfolded"])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "googlenet", "densenet121", "resnet152"])
def test_without_a_bug_the_same_networks_pass(name: str, folded: bool) -> None:
    report = verified(subject(name), subject(name).model(folded), folded)
    assert (report.verdict, report.differences) == (Verdict.PASSED, ())


@pytest.mark.parametrize("way", ["foreign", "renamed"])
@pytest.mark.parametrize("bug", NUMBERS, ids=str)
def test_a_file_whose_numbers_are_wrong_somewhere_does_not_pass_and_is_told_where(bug: WrongNumbers, way: str) -> None:
    name = "detector" if bug.name == "scores_beside_boxes_off" else "residual"
    (trial,) = trials(bug, subject(name, "trained", bug.resizable), ("middle",), (way,))
    assert trial.noticed
    assert trial.located, f"it is in {trial.node}, and the report says {trial.report}"


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", ["residual", "detector"])
def test_without_a_bug_files_pass_under_all_kinds_of_weights(name: str, weights: str) -> None:
    correct = subject(name, weights)
    verdicts = {way: verified(correct, correct.model(True), True, way).verdict for way in WAYS}
    # Zeroed branches cannot be seen in outputs, and the twin's weights fit only tensors of archc's names.
    blind = {"renamed"} if weights == "zeroed" else set()
    assert {way for way, verdict in verdicts.items() if not passing(verdict)} == blind


def test_what_a_buggy_exporter_writes_is_not_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter itself is wrong here, and so is what it expects to find in its files: only the numbers can tell."""
    monkeypatch.setattr(Relu, "onnx", lambda op, b, *x: b.emit("LeakyRelu", x, b.output, alpha=1e-3))
    graph = compiled(RESIDUAL)
    fresh = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    with pytest.raises(VerificationFailed, match=r"the first node that diverges is relu relu \(net.yaml:\d+\)"):
        deliver(fresh, ONNX, tmp_path / "net.onnx", ONNX.asked())
    assert list(tmp_path.iterdir()) == []
