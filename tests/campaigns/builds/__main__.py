"""The long run: python -m tests.campaigns.builds --examples 1000."""

from __future__ import annotations

import argparse
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.campaigns.builds.machine import Builds


def main() -> None:
    """Run; a failure ends it with the shortest commands that lead there."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.builds", description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="sequences of commands")
    parser.add_argument("--steps", type=int, default=25, help="commands of one sequence")
    arguments = parser.parse_args()
    begun = time.monotonic()
    run_state_machine_as_test(
        Builds,
        settings=settings(
            max_examples=arguments.examples,
            stateful_step_count=arguments.steps,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
    print(f"{arguments.examples} sequences in {time.monotonic() - begun:.0f} s, and all that must hold held")


if __name__ == "__main__":
    main()
