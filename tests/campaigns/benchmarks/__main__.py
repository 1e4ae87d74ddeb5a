"""Measures archc and its alternatives on the same work in one run: `python -m tests.campaigns.benchmarks [--runs N]`.

Writes `results.json`, `table.md` and `plot.svg` into tests/campaigns/benchmarks/results, or another folder with `-o`.
"""

from __future__ import annotations

import argparse
import compileall
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.campaigns.benchmarks import figures, jobs, report
from tests.campaigns.benchmarks.processes import measure, output

ROOT = Path(__file__).parents[3]


def main() -> None:
    """Parse the command line, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of the slow alternatives; quick commands run more")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for package in ("archc", "exporters"):  # as pip does when it installs one, and has done with the alternatives
        compileall.compile_dir(str(ROOT / package), quiet=2)
    with tempfile.TemporaryDirectory(prefix="archc-benchmarks-") as folder:
        _measure_all(Path(folder), arguments.runs, arguments.output)


def _measure_all(folder: Path, runs: int, results: Path) -> None:
    for network in jobs.NETWORKS:
        _tell(f"writing the weights of {network}")
        output([jobs.ARCHC, "build", network, "-o", str(folder / network)])
    _tell("commands")
    measured = measure(jobs.commands(runs))
    _tell("growth")
    measured |= measure(jobs.growth(folder, runs))
    _tell("exports")
    measured |= measure(jobs.exports(folder, runs))
    _tell("inside one process")
    timings = {name: _in_process(folder, name) for name in ("elaboration", "building", "running")}
    _tell("ONNX Runtime")
    files = {
        how: _json(["-m", "tests.campaigns.benchmarks.runtime", str(jobs.written(folder, "resnet50", how))])
        for how in ("archc", "archc-external", "dynamo", "older")
    }
    _tell("check on every bundled spec")
    specs = [entry["name"] for entry in json.loads(output([jobs.ARCHC, "list", "--format", "json"]))]
    checks = measure(jobs.checks(specs, runs))
    found = [
        *figures.export_figures(measured),
        *figures.command_figures(measured),
        *figures.in_process_figures(timings),
        *figures.runtime_figures(files),
        *figures.growth_figures(measured),
    ]
    printed = report.table(found, measured | checks)
    report.write_json(
        results / "results.json", measured | checks, found, {"in process": timings, "ONNX Runtime": files}
    )
    (results / "table.md").write_text(printed)
    (results / "plot.svg").write_text(report.plot(measured, "resnet152"))
    print(printed)


def _in_process(folder: Path, name: str) -> Any:
    given = [] if name == "elaboration" else [str(jobs.weights(folder, "resnet50"))]
    return _json(["-m", "tests.campaigns.benchmarks.in_process", name, *given])


def _json(arguments: list[str]) -> Any:
    return json.loads(output([jobs.PYTHON, *arguments]).splitlines()[-1])


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
