"""The proof of every bundled spec beside torch.onnx's unverified exporters: `python -m tests.campaigns.proof`.

Writes tests/campaigns/proof/results.json, and the table in docs/proof.md.
"""

from __future__ import annotations

import argparse
import compileall
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.campaigns.benchmarks.jobs import ARCHC, PYTHON
from tests.campaigns.benchmarks.processes import Job, JobFailed, measure, output
from tests.campaigns.proof import tables

ROOT = Path(__file__).parents[3]
OURS = ("verified", "unverified")
THEIRS = ("dynamo", "older")
BEGIN, END = "<!-- measured -->\n", "<!-- end of what is measured -->\n"


def main() -> None:
    """Parse the command line, measure, write."""
    arguments = _arguments()
    for package in ("archc", "exporters", "tests/campaigns"):  # as pip does when it installs one
        compileall.compile_dir(str(ROOT / package), quiet=2)
    listed = [entry["name"] for entry in json.loads(output([ARCHC, "list", "--format", "json"]))]
    names = arguments.only.split(",") if arguments.only else listed
    contenders = OURS if arguments.no_torch else (*OURS, *THEIRS)
    found = _measured_before(arguments.output) if arguments.only else {}
    for number, name in enumerate(names, 1):
        print(f"{name} ({number} of {len(names)})", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="proof-") as folder:
            found[name] = _spec(name, Path(folder), contenders, arguments)
        found = {spec: found[spec] for spec in listed if spec in found}
        arguments.output.write_text(json.dumps({"machine": tables.machine(), "specs": found}, indent=1) + "\n")
        _write_section(arguments.docs, tables.table(found, len(listed)))
    print(tables.table(found, len(listed)))


def _measured_before(results: Path) -> dict[str, Any]:
    """The specs of an earlier run, which one of some specs leaves as they are."""
    if not results.exists():
        return {}
    specs: dict[str, Any] = json.loads(results.read_text())["specs"]
    return specs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.proof", description=__doc__)
    parser.add_argument("--only", metavar="SPEC,SPEC", help="bundled specs; others stay as they were measured")
    parser.add_argument("--runs", type=int, default=1, help="runs of each contender, in turn")
    parser.add_argument("--given", action="store_true", help="under weights from a file (default: fresh ones)")
    parser.add_argument("--no-torch", action="store_true", help="archc alone")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results.json")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "proof.md", help="the page with the table")
    return parser.parse_args()


def _spec(name: str, folder: Path, contenders: tuple[str, ...], arguments: argparse.Namespace) -> dict[str, Any]:
    """What each contender took and told for one spec."""
    given: list[str] = []
    if arguments.given:
        output([ARCHC, "build", name, "-o", str(folder / "build")])
        given = [str(folder / "build" / "model.safetensors")]
    jobs = [Job(each, _command(each, name, folder, given), arguments.runs) for each in contenders]
    try:
        measured = measure(jobs)
    except JobFailed as error:
        return {"error": str(error)}
    return {
        each: {"seconds": measured[each].seconds, "peak_bytes": measured[each].peak_bytes,
               "told": _told(each, folder)}
        for each in contenders
    }  # fmt: skip


def _command(contender: str, name: str, folder: Path, given: list[str]) -> list[str]:
    """A whole process, from its start to the file: archc's command, or a script with torch.onnx."""
    if contender in THEIRS:
        return [PYTHON, "-m", "tests.campaigns.proof.contender", contender, name, str(folder), *given]
    weights = ["--weights", *given] if given else []
    command = [ARCHC, "export", name, "--onnx", "--allow-inconclusive", "-o", str(folder / contender), *weights]
    return command if contender == "verified" else [*command, "--no-verify"]


def _told(contender: str, folder: Path) -> list[dict[str, Any]]:
    """What a contender says: a proof its report, another exporter its error."""
    if contender in THEIRS:
        return [json.loads(line) for line in (folder / f"{contender}.jsonl").read_text().splitlines()]
    if contender == "unverified":
        return []
    return [report for report in json.loads((folder / contender / "parity.json").read_text()).values() if report]


def _write_section(page: Path, table: str) -> None:
    """Replace what stands between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
