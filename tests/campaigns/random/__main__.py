"""The long run: python -m tests.campaigns.random --networks 5000."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Collection

from archc.verification.report import Verdict
from tests.campaigns.random.campaign import Outcome, run
from tests.campaigns.random.checks import Findings, check
from tests.campaigns.random.coverage import legal_pairs

LEAST_COVERAGE = 0.95
LISTED = 80  # pairs that were not seen


def main() -> int:
    """Run, print the figures, and fail if a network did or too few pairs of operators occurred."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.random", description=__doc__)
    parser.add_argument("--networks", type=int, default=5000, help="at least so many (default: 5000)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no further networks after this time")
    arguments = parser.parse_args()
    begun, outcome, told = time.monotonic(), Outcome[Findings](), 0
    for outcome in run(check, arguments.networks, arguments.processes, 60 * arguments.minutes):
        print(f"\r{len(outcome.findings)} networks", end="", file=sys.stderr, flush=True)
        for failure in outcome.failures[told:]:
            print(f"\n{failure}", flush=True)
        told = len(outcome.failures)
    print(f"\n{len(outcome.findings)} networks in {time.monotonic() - begun:.0f} s, {len(outcome.failures)} failures\n")
    tell_verdicts(outcome.findings.values())
    coverage = tell_coverage(outcome.findings.values())
    return 0 if not outcome.failures and coverage >= LEAST_COVERAGE else 1


def tell_verdicts(networks: Collection[Findings]) -> None:
    """Print a row for each witness, and why networks were inconclusive."""
    print(f"{'':<20}{'passed':>8}{'inconclusive':>14}{'largest error / bound':>23}")
    for witness in sorted({name for findings in networks for name in findings.verdicts}):
        verdicts = Counter(findings.verdicts.get(witness) for findings in networks)
        largest = max(findings.largest.get(witness, 0.0) for findings in networks)
        print(f"{witness:<20}{verdicts[Verdict.PASSED]:>8}{verdicts[Verdict.INCONCLUSIVE]:>14}{largest:>23.2f}")
    print()
    print(f"{sum(findings.settled for findings in networks)} passed node by node, as rounding takes them far")
    for cause, number in Counter(cause for findings in networks for cause in findings.causes).most_common():
        print(f"{number} inconclusive: {cause}")


def tell_coverage(networks: Collection[Findings]) -> float:
    """Print the legal pairs of operators that did not occur; the share of those that did."""
    seen = {pair for findings in networks for pair in findings.pairs}
    legal = legal_pairs() | seen
    missing = sorted(legal - seen)
    print(f"\n{len(seen)} of {len(legal)} legal pairs of operators, {len(seen) / len(legal):.1%}; not seen:")
    print(", ".join(f"{producer} -> {consumer}" for producer, consumer in missing[:LISTED]) or "none", end="")
    print(f" and {len(missing) - LISTED} more" if len(missing) > LISTED else "")
    return len(seen) / len(legal)


if __name__ == "__main__":
    sys.exit(main())
