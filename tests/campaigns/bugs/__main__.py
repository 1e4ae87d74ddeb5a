"""Seeds every bug into every network: `python -m tests.campaigns.bugs [NETWORK…]`."""

from __future__ import annotations

import sys

from tests.campaigns.bugs.families import ALL
from tests.campaigns.bugs.networks import SIZES, Subject
from tests.campaigns.bugs.trial import PLACES, Trial, trials, verified


def main(names: list[str]) -> int:
    """Print one line for each trial, and the figures at the end; the exit status is 1 if a bug went unnoticed."""
    seeded: list[Trial] = []
    correct: dict[str, list[float]] = {}
    for name in names or SIZES:
        subject = Subject(name)
        for folded in (True, False):
            report = verified(subject, subject.model(folded), folded)
            ratios = [row.ratio for row in report.comparisons]
            correct.setdefault(name, []).extend(ratios)
            print(f"{name:20} {'folded' if folded else 'unfolded':45} {report.verdict.value:10} {max(ratios):10.2f}")
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


def _summarise(seeded: list[Trial], correct: dict[str, list[float]]) -> int:
    print("\n| network | bugs that apply | trials | noticed | located | largest ratio, correct | smallest ratio, bug |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, ratios in correct.items():
        print(_row(name, [trial for trial in seeded if trial.network == name], ratios))
    print(_row("together", seeded, [ratio for ratios in correct.values() for ratio in ratios]))
    nowhere = [bug.name for bug in ALL if bug.name not in {trial.bug for trial in seeded}]
    print(f"\n{len(ALL)} bugs; those that apply nowhere: {', '.join(nowhere) or 'none'}")
    return 0 if all(trial.noticed and trial.located for trial in seeded) else 1


def _row(name: str, found: list[Trial], correct: list[float]) -> str:
    """One line of the table in docs/seeded-bugs.md."""
    faintest = min(found, key=lambda trial: trial.ratio)
    counts = (
        len({trial.bug for trial in found}),
        len(found),
        *(sum(getattr(trial, what) for trial in found) for what in ("noticed", "located")),
    )
    cells = [name, *map(str, counts), f"{max(correct):.2f}", f"{faintest.ratio:.3g} ({faintest.bug})"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
