"""What was measured of the proof, as a table in Markdown.

This module imports nothing heavy before all is measured: a child's peak memory starts at its parent's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import median
from textwrap import shorten
from typing import Any

Spec = Mapping[str, Any]
LONGEST = 240  # characters of an exporter's error, which may go on for pages
_COLOUR = re.compile(r"\x1b\[[0-9;]*m|[^\x00-\uffff]")
HEAD = (
    "spec", "verdict", "float32 error", "smallest change noticed", "in the block", "verified", "unverified",
    "peak memory", "torch.onnx", "older", "of torch.onnx", "of older",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, cores and versions."""
    from tests.campaigns.benchmarks.report import machine as found

    return found()


def table(found: Mapping[str, Spec], bundled: int) -> str:
    """A row for each spec, and under it why a verdict is not simply `passed`."""
    about = machine()
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        f"{len(found)} of the {bundled} bundled specs; {about['processor']}, {about['cores']} cores; {versions}.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|---|---|{'---:|' * 2}---|{'---:|' * (len(HEAD) - 5)}",
        *(f"| {' | '.join([name, *row(spec)])} |" for name, spec in found.items()),
        "",
        *why(found),
    ]
    return "\n".join(lines) + "\n"


def row(spec: Spec) -> list[str]:
    """The cells of a spec behind its name."""
    if "error" in spec:
        return ["not measured", *[""] * (len(HEAD) - 2)]
    told = spec["verified"]["told"][-1]
    sharpness = list(told["sharpness"].values())[-1]  # under the weights that decide
    return [
        told["verdict"],
        _number(sharpness["float32_share"]),
        _number(sharpness["smallest_change_noticed_there"]),
        sharpness["least_sensitive_block"] or "",
        *(_seconds(spec, name) for name in ("verified", "unverified")),
        f"{median(spec['verified']['peak_bytes']) / 1e6:.0f} MB",
        *(_seconds(spec, name) for name in ("dynamo", "older")),
        *(_ratio(spec, name) for name in ("dynamo", "older")),
    ]


def why(found: Mapping[str, Spec]) -> list[str]:
    """A line for each spec of which something is told beside its numbers."""
    told = {name: spec.get("error") or _told(spec) for name, spec in found.items()}
    return [f"- {name}: {' '.join(reason.split())}" for name, reason in told.items() if reason]


def _told(spec: Spec) -> str:
    """Every reason and error of a spec's contenders, each once."""
    lines = [(name, line) for name in spec for line in spec[name]["told"]]
    reasons = [(name, row["reason"]) for name, line in lines for row in line.get("comparisons", ())]
    errors = [(name, line.get("error")) for name, line in lines]
    texts = [f"{name}: {text}" for name, text in (*reasons, *errors) if text]
    return shorten(_COLOUR.sub("", "; ".join(dict.fromkeys(texts))), LONGEST)


def _whole(spec: Spec, name: str) -> float:
    """Seconds of the whole process."""
    return float(median(spec[name]["seconds"]))


def _ran(spec: Spec, name: str) -> bool:
    return name in spec and not any("error" in line for line in spec[name]["told"])


def _seconds(spec: Spec, name: str) -> str:
    return f"{_whole(spec, name):.2f} s" if _ran(spec, name) else "–"


def _ratio(spec: Spec, name: str) -> str:
    return f"{_whole(spec, 'verified') / _whole(spec, name):.2f}" if _ran(spec, name) else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1e}"
