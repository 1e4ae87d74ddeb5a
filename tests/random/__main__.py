"""The long run: python -m tests.random --count 5000."""

from __future__ import annotations

import argparse
import sys
import time

from tests.random.campaign import Tally, run
from tests.random.coverage import legal_pairs

LEAST_COVERAGE = 0.95
LISTED = 80  # pairs that were not seen


def main() -> int:
    """Run, print the figures, and fail if a network did or too few pairs of operators occurred."""
    parser = argparse.ArgumentParser(prog="python -m tests.random", description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="networks (default: 5000)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no further networks after this time")
    arguments = parser.parse_args()
    begun, tally = time.monotonic(), Tally()
    for tally in run(arguments.count, arguments.processes, 60 * arguments.minutes):
        print(f"\r{tally.networks} networks, {len(tally.failures)} failures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return report(tally, time.monotonic() - begun)


def report(tally: Tally, seconds: float) -> int:
    """Print the figures; the exit status."""
    print(f"{tally.networks} networks in {seconds:.0f} s, {len(tally.failures)} failures")
    for (witness, verdict), number in sorted(tally.verdicts.items()):
        print(f"  {witness}: {number} {verdict}")
    for witness, error in sorted(tally.largest.items()):
        print(f"  {witness}: the largest error is {error:.2f} of its bound")
    for cause, number in tally.causes.most_common():
        print(f"  inconclusive because {cause}: {number}")
    legal = legal_pairs() | tally.pairs.keys()
    missing = sorted(legal - tally.pairs.keys())
    coverage = 1 - len(missing) / len(legal)
    print(f"  pairs of operators: {len(legal) - len(missing)} of {len(legal)} legal ones, {coverage:.1%}")
    told = ", ".join(f"{producer} -> {consumer}" for producer, consumer in missing[:LISTED]) or "none"
    print(f"  not seen: {told}{' …' if len(missing) > LISTED else ''}")
    for failure in tally.failures:
        print(f"\n{failure}")
    return 0 if not tally.failures and coverage >= LEAST_COVERAGE else 1


if __name__ == "__main__":
    sys.exit(main())
