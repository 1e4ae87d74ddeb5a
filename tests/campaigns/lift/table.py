"""The table of what was lifted, in docs/lifted.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

BEGIN, END = "<!-- measured -->\n", "<!-- end of what is measured -->\n"
HEAD = """\
| network | lifted | keys | outputs in float64 | training step | lines | seconds |
|---|---|---|---|---|---:|---:|
"""


def write(page: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Put the table in the place of the one before."""
    put(page, BEGIN, END, table(rows))


def put(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two lines of a page, in the place of what stands there."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """A sentence that counts, and a row for each network."""
    lifted = sum("reason" not in row for row in rows)
    return f"{lifted} of {len(rows)} networks.\n\n{HEAD}" + "".join(map(_row, rows))


def _row(row: Mapping[str, object]) -> str:
    seconds = f"{row['seconds']:.0f}"
    if "reason" in row:
        reason = str(row["reason"]).replace("|", "\\|").replace("\n", " ")
        return f"| {row['network']} | no: {reason} | | | | | {seconds} |\n"
    equal = row["equal"]
    assert isinstance(equal, Mapping), "it is the status of each check"
    keys = "equal" if equal["keys"] and equal["key order"] else "equal in another order"
    kind = "flat" if row["flat"] else "yes"
    cells = (row["network"], kind, keys, row.get("outputs", ""), row.get("training", ""), row["lines"], seconds)
    return f"| {' | '.join(str(cell) for cell in cells)} |\n"
