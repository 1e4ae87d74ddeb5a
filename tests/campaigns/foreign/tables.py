"""What became of correct files, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.campaigns.foreign.cases import NOT_MADE, Case
from tests.campaigns.foreign.sources import SOURCES, TOOLS

MARKS = {"passed": "✓", "inconclusive": "?", "failed": "✗", NOT_MADE: "–"}
OTHER = "≈"  # passed by something else than the whole


def summary(found: Sequence[Case]) -> str:
    """How many files of each source had which verdict."""
    verdicts = sorted({case.verdict for case in found})
    lines = [f"| file | {' | '.join(verdicts)} |", f"|---|{'---:|' * len(verdicts)}"]
    for source in SOURCES:
        for tool in TOOLS:
            counts = Counter(case.verdict for case in found if (case.source, case.tool) == (source, tool))
            lines.append(f"| {source}, {tool} | {' | '.join(str(counts[verdict]) for verdict in verdicts)} |")
    return "\n".join(lines) + "\n"


def marks(found: Sequence[Case]) -> str:
    """Spec by spec, a mark for each source by what was done to its file."""
    verdicts = {(case.spec, case.weights, case.source, case.tool): case.verdict for case in found}
    legend = "✓ passed, ≈ passed by structure and nodes, ? inconclusive, ✗ failed, – not made"
    lines = [f"Each cell has a mark for {'; '.join(SOURCES)}: {legend}.", "",
             f"| spec | weights | {' | '.join(TOOLS)} |", f"|---|---|{':-:|' * len(TOOLS)}"]  # fmt: skip
    for spec, weights in dict.fromkeys((case.spec, case.weights) for case in found):
        cells = [
            "".join(MARKS.get(verdicts.get((spec, weights, source, tool), NOT_MADE), OTHER) for source in SOURCES)
            for tool in TOOLS
        ]
        lines.append(f"| {spec} | {weights} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def unsettled(found: Sequence[Case]) -> str:
    """Every file that did not pass, with the reason."""
    open_cases = [case for case in found if case.verdict != "passed"]
    lines = ["| spec | weights | file | verdict | reason |", "|---|---|---|---|---|"]
    for case in open_cases:
        reason = case.reason.replace("|", "\\|").replace("\n", " ")
        cells = [case.spec, case.weights, f"{case.source}, {case.tool}", case.verdict, reason]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
