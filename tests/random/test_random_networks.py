"""Random networks through every witness, and near-misses that must be refused.

The long run is `python -m tests.random`.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from archc.diagnostics import SpecError
from archc.ir.printer import print_graph
from tests.random.campaign import BATCH_SIZE, run_batch
from tests.random.checks import check_located, compiled
from tests.random.near_misses import NearMiss, near_misses

NETWORKS = 300
BATCHES = NETWORKS // BATCH_SIZE
NEAR_MISSES = 300


@pytest.mark.parametrize("number", range(BATCHES))
def test_random_networks_are_what_they_have_to_be(number: int) -> None:
    tally = run_batch(number)
    assert tally.failures == []
    assert tally.networks == BATCH_SIZE
    passed = tally.verdicts["archc", "passed"]
    assert passed > 0.6 * tally.networks, "most of the networks must tell right from wrong"


@seed(2015)
@settings(
    max_examples=NEAR_MISSES, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
@given(near_misses())
def test_near_misses_are_refused_with_a_position(miss: NearMiss) -> None:
    try:
        accepted = compiled(miss.text)
    except SpecError as error:
        check_located(error)
        return
    # What was edited takes no part in the network: an arm that is not taken.
    assert print_graph(accepted) == print_graph(compiled(miss.valid)), miss.edit
