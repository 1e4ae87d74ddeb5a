"""The modules of random specs lifted again: `python -m tests.campaigns.lift.own --networks 2000`.

Each has to be lifted, and the comparison has to prove it. Counts those whose nodes are those of the spec; others are
written more simply, such as `silu` for a product with a sigmoid.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from archc.compare import Verdict, compare
from archc.weights.initialize import InitializedWeights
from archc.weights.network import Network
from tests.campaigns.random.campaign import Outcome, run
from tests.campaigns.random.checks import compiled
from tests.lifting.same_nodes import lifted_again, lines

SAME, WRITTEN_OTHERWISE = "the same nodes", "other nodes, proved equal"


def main() -> int:
    """Lift, print the figures; the exit status is 1 if a network is not lifted or not equal."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.lift.own", description=__doc__)
    parser.add_argument("--networks", type=int, default=2000, help="at least so many (default: 2000)")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    begun, outcome = time.monotonic(), Outcome[str]()
    for outcome in run(check, arguments.networks, arguments.processes, float("inf")):
        print(f"\r{len(outcome.findings)} networks", end="", file=sys.stderr, flush=True)
    seconds = time.monotonic() - begun
    print(f"\n{len(outcome.findings)} networks in {seconds:.0f} s, {len(outcome.failures)} failures")
    for found, number in Counter(outcome.findings.values()).most_common():
        print(f"{number:6} {found}")
    print(*outcome.failures, sep="\n\n")
    return 1 if outcome.failures else 0


def check(text: str) -> str:
    """How a network's module is lifted. Raises: LiftError; AssertionError: it is not equal."""
    graph = compiled(text)
    module = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True).module()
    lifted = lifted_again(module, graph)
    if lines(lifted) == lines(graph):
        return SAME
    comparison = compare(lifted, module)
    equal = comparison.verdict in (Verdict.EQUAL, Verdict.ORDER)
    assert equal, "; ".join(difference.message for difference in comparison.differences)
    return WRITTEN_OTHERWISE


if __name__ == "__main__":
    sys.exit(main())
