"""Bundled specs beside the modules of torchvision and timm, and beside such modules with a mistake planted in them.

`python -m tests.campaigns.compare` needs torchvision and timm. `--mistakes N` plants N mistakes of every kind in each
network, one at a time, and counts those that are noticed, and those that are located where they were planted.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from pathlib import Path

import archc
from archc.compare import Comparison, Verdict, compare
from tests.campaigns.compare.mistakes import HOOKED, Mistake, mistakes, ran
from tests.campaigns.compare.networks import module, names


def main() -> None:
    """Parse the command line, compare, print and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.compare", description=__doc__)
    parser.add_argument("--only", metavar="SPEC,SPEC", help="these bundled specs alone")
    parser.add_argument("--mistakes", type=int, default=0, metavar="N", help="plant N mistakes of every kind in each")
    parser.add_argument("--seed", type=int, default=0, help="which mistakes")
    parser.add_argument("-o", "--output", type=Path, help="write every result as JSON")
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    for name in arguments.only.split(",") if arguments.only else names():
        rows += _planted(name, arguments.mistakes, arguments.seed) if arguments.mistakes else [_correct(name)]
        if arguments.output:
            arguments.output.write_text(json.dumps(rows, indent=1) + "\n")
    _summary(rows)


def _correct(name: str) -> dict[str, object]:
    begin = time.perf_counter()
    found = compare(archc.compile(name), module(name))
    seconds = time.perf_counter() - begin
    print(f"{name}: {found.verdict.value}, {seconds:.0f} s", flush=True)
    if found.verdict is not Verdict.EQUAL or found.notes:
        print(found, flush=True)
    return {"network": name, "seconds": seconds, **found.as_json()}


def _planted(name: str, count: int, seed: int) -> list[dict[str, object]]:
    """The results of some mistakes of every kind."""
    kinds: dict[str, list[Mistake]] = defaultdict(list)
    for mistake in mistakes(module(name)):
        kinds[mistake.name].append(mistake)
    draw = random.Random(f"{seed} {name}")
    chosen = [mistake for kind in kinds.values() for mistake in draw.sample(kind, min(count, len(kind)))]
    return [result for mistake in chosen if (result := _result(name, mistake))]


def _result(name: str, mistake: Mistake) -> dict[str, object] | None:
    """What became of a mistake; None if it was none, in a layer that is not called."""
    ran.clear()
    wrong = module(name)
    mistake.plant(wrong)
    found = compare(archc.compile(name), wrong)
    if mistake.name in HOOKED and not ran:
        return None
    noticed, located = found.verdict is Verdict.DIFFERENT, _is_located(found, mistake)
    told = "located" if noticed and located else f"{'not located' if noticed else 'NOT NOTICED'}\n{found}"
    print(f"{name}: {mistake.name} in {mistake.path}: {told}", flush=True)
    return {"network": name, "mistake": mistake.name, "path": mistake.path, "noticed": noticed, "located": located}


def _is_located(found: Comparison, mistake: Mistake) -> bool:
    """True if a difference names the module."""
    return any(mistake.path in (each.path, *f"{each.module}".replace(",", "").split()) for each in found.differences)


def _summary(rows: list[dict[str, object]]) -> None:
    if "mistake" not in rows[0]:
        print(f"{sum(row['verdict'] == 'equal' for row in rows)} of {len(rows)} equal")
        return
    for kind in dict.fromkeys(row["mistake"] for row in rows):
        own = [row for row in rows if row["mistake"] == kind]
        noticed, located = (sum(bool(row[what]) for row in own) for what in ("noticed", "located"))
        print(f"{kind}: {len(own)} planted, {noticed} noticed, {located} located")


main()
