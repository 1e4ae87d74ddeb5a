"""Random networks through every witness, and near-misses that must be refused.

The long run is `python -m tests.campaigns.random`.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from archc.diagnostics import SpecError
from archc.ir.printer import print_graph
from archc.verification import Verdict
from tests.campaigns.random.campaign import BATCH_SIZE, run_batch
from tests.campaigns.random.checks import check, check_located, compiled
from tests.campaigns.random.near_misses import NearMiss, near_misses

NETWORKS = 300
NEAR_MISSES = 300


@pytest.mark.parametrize("number", range(NETWORKS // BATCH_SIZE))
def test_every_witness_agrees_about_random_networks(number: int) -> None:
    outcome = run_batch(number, check)
    assert outcome.failures == []
    assert len(outcome.findings) == BATCH_SIZE
    passed = [findings for findings in outcome.findings.values() if findings.verdicts.get("ONNX") is Verdict.PASSED]
    assert len(passed) > 0.7 * BATCH_SIZE, "most of the networks must tell right from wrong"


def test_near_misses_are_refused_with_a_position() -> None:
    refused: list[NearMiss] = []

    @seed(2015)
    @settings(
        max_examples=NEAR_MISSES, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(near_misses())
    def refuse(miss: NearMiss) -> None:
        try:
            accepted = compiled(miss.text)
        except SpecError as error:
            check_located(error)
            refused.append(miss)
            return
        # What was edited takes no part in the network: an arm that is not taken.
        assert print_graph(accepted) == print_graph(compiled(miss.valid)), miss.edit

    refuse()
    assert len(refused) > 0.9 * NEAR_MISSES
