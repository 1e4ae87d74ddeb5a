"""Seeds every bug into every network: `python -m tests.verify.bugs [NETWORK…]`."""

from __future__ import annotations

import sys

from tests.verify.bugs.families import ALL
from tests.verify.bugs.networks import SIZES, Subject
from tests.verify.bugs.trial import PLACES, Trial, trials, verified


def main(names: list[str]) -> int:
    """Print one line for each trial, and the figures at the end; the exit status is 1 if a bug went unnoticed."""
    seeded: list[Trial] = []
    correct: list[float] = []
    for name in names or SIZES:
        subject = Subject(name)
        for folded in (True, False):
            report = verified(subject, subject.model(folded), folded)
            correct += [row.ratio for row in report.comparisons]
            print(f"{name:20} {'folded' if folded else 'unfolded':45} {report.verdict.value:10} {correct[-1]:10.2f}")
        for bug in ALL:
            for trial in trials(bug, subject, PLACES):
                seeded.append(trial)
                print(_line(trial), flush=True)
    return _summarise(seeded, correct)


def _line(trial: Trial) -> str:
    verdict = "noticed" if trial.noticed else "UNNOTICED"
    found = "" if trial.located else f"  located in {trial.report.divergence and trial.report.divergence.path}"
    return (
        f"{trial.network:20} {trial.bug:45} {verdict:10} {trial.ratio:10.3g} {trial.margin:10.3g}  {trial.node}{found}"
    )


def _summarise(seeded: list[Trial], correct: list[float]) -> int:
    unnoticed = [trial for trial in seeded if not trial.noticed]
    elsewhere = [trial for trial in seeded if not trial.located]
    nowhere = [bug.name for bug in ALL if bug.name not in {trial.bug for trial in seeded}]
    print(f"\n{len({trial.bug for trial in seeded})} bugs, {len(seeded)} trials: {len(unnoticed)} unnoticed")
    print(f"{len(seeded) - len(elsewhere)} located in the node that has the bug, {len(elsewhere)} elsewhere")
    print(f"smallest ratio of a bug: {min((trial.ratio, _line(trial)) for trial in seeded)}")
    print(f"largest ratio of a correct export: {max(correct):.2f}")
    print(f"bugs that apply nowhere: {', '.join(nowhere) or 'none'}")
    return 1 if unnoticed or elsewhere else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
