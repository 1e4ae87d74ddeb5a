"""What the trials found, as lines and tables."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from archc.verification.report import Report, Verdict
from tests.campaigns.bugs.catalogue import Bug, WrongNumbers
from tests.campaigns.bugs.networks import Subject
from tests.campaigns.bugs.trial import WAYS, Trial, passing
from tests.campaigns.bugs.weights import WEIGHTS


def line(trial: Trial) -> str:
    """One trial."""
    verdict = trial.verdict.value if trial.noticed else "UNNOTICED"
    found = "" if trial.located else f"  located in {trial.report.divergence and trial.report.divergence.path}"
    return (
        f"{trial.subject.name:20} {trial.subject.weights:8} {trial.way:8} {trial.bug.name:40} {verdict:12} "
        f"{trial.ratio:10.3g} {trial.margin:10.3g}  {trial.node}{found}"
    )


def correct(subject: Subject, way: str, what: str, report: Report) -> str:
    """A file without a bug."""
    largest = max((row.ratio for row in report.comparisons), default=float("nan"))
    return f"{subject.name:20} {subject.weights:8} {way:8} {what:40} {report.verdict.value:12} {largest:10.3g}"


def summarise(bugs: Iterable[Bug], seeded: list[Trial], correct: dict[str, list[float]]) -> int:
    """Print the tables, every trial that went wrong, and which bugs applied nowhere; the exit status."""
    twins = [trial for trial in seeded if trial.by_numbers]
    if twins:
        _networks(twins, correct)
    _kinds(seeded)
    missed = [trial for trial in seeded if not (trial.noticed and trial.located)]
    print(f"\n{len(missed)} of {len(seeded)} trials went unnoticed or were located nowhere")
    print(*map(line, missed), sep="\n")
    tried = {trial.bug.name for trial in seeded}
    nowhere = [bug.name for bug in bugs if bug.name not in tried]
    print(f"\n{len(tried)} bugs; those that apply nowhere: {', '.join(nowhere) or 'none'}")
    return 1 if missed else 0


def _networks(twins: list[Trial], correct: dict[str, list[float]]) -> None:
    """Print what became of nodes' bugs under the twins' weights, network by network."""
    print("\n| network | bugs that apply | trials | noticed | located | largest ratio, correct | smallest ratio, bug |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, ratios in correct.items():
        print(_network(name, [trial for trial in twins if trial.subject.name == name], ratios))
    print(_network("together", twins, [ratio for ratios in correct.values() for ratio in ratios]))


def _network(name: str, found: list[Trial], correct: list[float]) -> str:
    faintest = min(found, key=lambda trial: trial.ratio)
    counts = (
        len({trial.bug for trial in found}),
        len(found),
        *(sum(getattr(trial, what) for trial in found) for what in ("noticed", "located")),
    )
    cells = [name, *map(str, counts), f"{max(correct):.2f}", f"{faintest.ratio:.3g} ({faintest.bug})"]
    return f"| {' | '.join(cells)} |"


def _kinds(seeded: list[Trial]) -> None:
    """Print what became of all trials by kind of bug, weights, and the way in which the files were verified."""
    print("\n| bugs | weights | files | trials | failed | inconclusive | passed | noticed and located |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    for kind, weights, way in product((False, True), WEIGHTS, WAYS):
        found = [
            trial
            for trial in seeded
            if (isinstance(trial.bug, WrongNumbers), trial.subject.weights, trial.way) == (kind, weights, way)
        ]
        if found:
            verdicts = [trial.verdict for trial in found]
            counts = (
                len(found),
                *(verdicts.count(verdict) for verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE)),
                sum(map(passing, verdicts)),
                sum(trial.noticed and trial.located for trial in found),
            )
            print(f"| {' | '.join(['numbers' if kind else 'nodes', weights, way, *map(str, counts)])} |")
