"""The long run: python -m tests.campaigns.fuzz --inputs 1000000.

One input again: python -m tests.campaigns.fuzz --seed 1234.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.campaigns.fuzz.campaign import Tally, examine, run
from tests.campaigns.fuzz.documents import draw_pool
from tests.campaigns.fuzz.inputs import make


def main() -> int:
    """Run and print the figures; the exit status is 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, help="write this one input to the standard output, and check it")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return repeat(arguments.seed)
    pool = draw_pool()
    begun, tally, shown = time.monotonic(), Tally(), 0.0
    for tally in run(arguments.inputs, arguments.processes, pool):
        if sys.stderr.isatty() and time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"{tally.inputs.total()} inputs, {tally.failed} failures", end="\r", file=sys.stderr, flush=True)
    return report(tally, time.monotonic() - begun)


def repeat(seed: int) -> int:
    """Show one input, and what comes of it."""
    pool = draw_pool()
    sys.stdout.buffer.write(make(seed, pool)[1])
    with tempfile.TemporaryDirectory() as folder:
        result = examine(seed, pool, Path(folder) / "input.yaml")
    verdict = result.failure or ", ".join(result.codes) or "accepted"
    print(f"\n{result.strategy}, {result.seconds:.3f} s: {verdict}", file=sys.stderr)
    return 1 if result.failure else 0


def report(tally: Tally, seconds: float) -> int:
    """Print the figures; the exit status."""
    print(f"{tally.inputs.total()} inputs in {seconds:.0f} s, {tally.failed} failures\n")
    print(f"{'strategy':<14}{'inputs':>10}{'accepted':>10}{'refused':>10}")
    for strategy, number in sorted(tally.inputs.items()):
        accepted = tally.accepted[strategy]
        print(f"{strategy:<14}{number:>10}{accepted:>10}{number - accepted:>10}")
    slowest, largest = tally.slowest, tally.largest
    print(f"\nslowest: {slowest.seconds:.2f} s, seed {slowest.seed} ({slowest.strategy}, {slowest.size} bytes)")
    print(f"peak memory: {largest.memory:.0f} MB, first at seed {largest.seed} ({largest.strategy})")
    print(f"\n{len(tally.codes)} codes: {', '.join(f'{code} {number}' for code, number in tally.codes.most_common())}")
    for failure in tally.failures.values():
        print(f"\n{failure}")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
