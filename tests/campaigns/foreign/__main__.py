"""Correct files from everybody, each verified as a file from elsewhere: `python -m tests.campaigns.foreign [SPEC…]`.

A failed one is a false alarm. onnxslim has to be installed: `python -m pip install onnxslim`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from archc.spec.bundled import specs_folder
from tests.campaigns.foreign.cases import Case, cases
from tests.campaigns.foreign.tables import marks, summary, unsettled


def main() -> int:
    """Verify, print the tables; the exit status is 1 if a correct file failed."""
    arguments = _arguments()
    if find_spec("onnxslim") is None:
        print("onnxslim is not installed: python -m pip install onnxslim", file=sys.stderr)
        return 2
    found: list[Case] = []
    context = get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, mp_context=context, max_tasks_per_child=1) as pool:
        threads = max(1, (os.cpu_count() or 1) // arguments.processes)
        work = [pool.submit(cases, name, arguments.weights, arguments.nominal, threads) for name in arguments.specs]
        for done in work:
            found += done.result()
            told = Counter(case.verdict for case in done.result())
            print(done.result()[0].spec, dict(told), file=sys.stderr, flush=True)
            if arguments.output:
                arguments.output.write_text(json.dumps([asdict(case) for case in found], indent=1) + "\n")
    print(summary(found), marks(found), unsettled(found), sep="\n")
    return 1 if any(case.verdict == "failed" for case in found) else 0


def _arguments() -> argparse.Namespace:
    every = sorted(path.stem for path in specs_folder().glob("*.yaml"))
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.foreign", description=__doc__)
    parser.add_argument("specs", nargs="*", default=every, help="bundled specs (default: all)")
    parser.add_argument("--weights", nargs="+", choices=["fresh", "trained"], default=["fresh", "trained"])
    parser.add_argument("--nominal", action="store_true", help="at the usual size of images (default: a small one)")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write every case there, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
