"""Mutation testing: python -m tests.campaigns.mutation, with mutmut installed (`make mutation` does both).

mutmut changes one expression at a time and runs the tests that reach it; a change that no test notices survives.
It works on a copy under build/mutation, where exporters/ and specs/ lie inside archc/, as in an installed package.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
LEAST_KILLED = 0.9
KILLED = {"killed", "timeout", "segfault"}


def main() -> int:
    """Run, print the figures and the survivors, and fail if too many mutants survive."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.mutation", description=__doc__)
    parser.add_argument("mutants", nargs="*", help="which, as 'archc.passes.*' (default: all)")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "mutation", help="where the copy lies")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    copy_tree(folder)
    ran = mutmut(folder, "run", "--max-children", str(arguments.processes), *arguments.mutants)
    if ran.returncode:
        print(ran.stdout, ran.stderr, file=sys.stderr)
        return ran.returncode
    return report(folder, statuses(folder))


def copy_tree(folder: Path) -> None:
    """What mutmut works on. The results of an earlier run stay beside it: functions that did not change keep theirs."""
    for target, source in {"archc": "archc", "archc/exporters": "exporters", "archc/specs": "specs"}.items():
        _copy(source, folder / target)
    for name in ("specs", "tests"):
        _copy(name, folder / name)
    shutil.copy2(REPOSITORY / "pyproject.toml", folder)


def _copy(source: str, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(REPOSITORY / source, target, ignore=shutil.ignore_patterns("__pycache__"))


def mutmut(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mutmut in the copy. It forks after PyTorch was used, which only a single thread survives."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", *arguments]
    shown = arguments[0] == "run" and sys.stdout.isatty()  # its progress is for terminals
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=not shown, check=False)


def statuses(folder: Path) -> dict[str, str]:
    """What became of each mutant that was tried, by name."""
    lines = mutmut(folder, "results", "--all", "true").stdout.splitlines()
    found = dict(line.strip().split(": ") for line in lines if line.strip())
    return {name: status for name, status in found.items() if status != "not checked"}


def report(folder: Path, found: Mapping[str, str]) -> int:
    """Print the survivors and the figures per module; the exit status."""
    survivors = [name for name, status in found.items() if status not in KILLED]
    for name in survivors:
        lines = mutmut(folder, "show", name).stdout.splitlines()
        print(name, *(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")), sep="\n    ")
    modules: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for name, status in found.items():
        modules[name.rpartition(".")[0]][status in KILLED] += 1
    for module, counts in sorted(modules.items()):
        print(f"{module}: {counts.total()} mutants, {counts[True]} killed, {counts[False]} survived")
    share = 1 - len(survivors) / len(found)
    print(f"together: {len(found)} mutants, {len(survivors)} survived, {share:.1%} killed")
    return 0 if share >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main())
