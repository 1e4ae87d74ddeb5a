"""Seeds every bug into every network: `python -m tests.campaigns.bugs [NETWORK…]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from archc.diagnostics import ExportError, SpecError
from tests.campaigns.bugs import tables
from tests.campaigns.bugs.catalogue import Bug, WrongNumbers
from tests.campaigns.bugs.draft import DoesNotApply
from tests.campaigns.bugs.families import NODES, NUMBERS
from tests.campaigns.bugs.networks import SIZES, Subject
from tests.campaigns.bugs.specs import SPECS
from tests.campaigns.bugs.trial import PLACES, WAYS, Trial, trials, verified
from tests.campaigns.bugs.weights import WEIGHTS

FAMILIES = {"nodes": NODES, "numbers": NUMBERS}
WAYS_BY_WEIGHTS = {
    "twin": ("foreign",),
    "fresh": WAYS,
    "trained": WAYS,
    "zeroed": ("own",),  # a file from elsewhere may compute anything where the network multiplies it by zero
}


def main() -> int:
    """Print one line for each trial, and the figures at the end; the exit status is 1 if a bug went unnoticed."""
    arguments = _arguments()
    seeded: list[Trial] = []
    correct: dict[str, list[float]] = {}
    for name in arguments.networks or (*SIZES, *SPECS):
        for weights in arguments.weights:
            with suppress(DoesNotApply):
                subject = Subject(name, weights)
                ratios = list(_correct(subject))
                if weights == "twin":
                    correct[name] = ratios
                for family in arguments.bugs:
                    for trial in _trials(FAMILIES[family], subject):
                        seeded.append(trial)
                        print(tables.line(trial), flush=True)
    return tables.summarise([bug for family in arguments.bugs for bug in FAMILIES[family]], seeded, correct)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.bugs", description=__doc__)
    parser.add_argument("networks", nargs="*", help=f"bundled ones, or {', '.join(SPECS)} (default: those in docs)")
    parser.add_argument("--weights", nargs="+", choices=[*WEIGHTS], default=[*WEIGHTS], help="kinds of weights")
    parser.add_argument("--bugs", nargs="+", choices=[*FAMILIES], default=[*FAMILIES],
                        help="nodes that compute something else, or files whose numbers are wrong")  # fmt: skip
    return parser.parse_args()


def _correct(subject: Subject) -> Iterator[float]:
    """The ratios of the correct files, which have to pass; each is printed."""
    for folded in (True, False):
        for way in WAYS_BY_WEIGHTS[subject.weights]:
            report = verified(subject, subject.model(folded), folded, way)
            print(tables.correct(subject, way, "correct" if folded else "correct, unfolded", report))
            yield from (row.ratio for row in report.comparisons)


def _trials(bugs: Iterable[Bug], subject: Subject) -> Iterator[Trial]:
    """Trials of these bugs: a node's bug in every place under the twin's weights, else all in the middle."""
    ways = WAYS_BY_WEIGHTS[subject.weights]
    resizable = Subject(subject.name, subject.weights, resizable=True)
    for bug in bugs:
        if not isinstance(bug, WrongNumbers):
            yield from trials(bug, subject, PLACES if subject.weights == "twin" else ("middle",), (ways[0],))
        elif not bug.resizable:
            yield from trials(bug, subject, ("middle",), ways)
        else:
            with suppress(SpecError, ExportError):  # it takes images of no other size
                yield from trials(bug, resizable, ("middle",), ways)


if __name__ == "__main__":
    sys.exit(main())
