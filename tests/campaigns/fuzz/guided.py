"""Fuzzing that follows the branches of archc's code.

`python -m tests.campaigns.fuzz.guided --seconds 600` runs it, with atheris installed.

libFuzzer mutates the shipped specs and keeps what reaches a new branch. It stops at the first input that fails, and
writes it to the current folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

atheris = import_module("atheris")  # not by a statement: it is seldom installed
with atheris.instrument_imports(include=["archc"]):
    from archc.spec.bundled import bundled_specs
    from tests.campaigns.fuzz.checks import check
    from tests.campaigns.fuzz.texts import EXPRESSIONS, NUMBERS, WORDS

LONGEST = 8192  # bytes of an input
TIMEOUT = 20  # seconds for one input; instrumented code is several times slower
LARGEST = 1000  # MB of a process, what libFuzzer itself keeps included


def main() -> None:
    """Run until the time is over or an input fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.fuzz.guided", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what was found for the next run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = arguments.corpus or Path(folder) / "corpus"
        corpus.mkdir(exist_ok=True)
        for name, path in bundled_specs().items():
            (corpus / name).write_bytes(path.read_bytes())
        words = Path(folder) / "words"
        words.write_text(
            "".join(f"{json.dumps(word)}\n" for word in (*WORDS, *NUMBERS, *EXPRESSIONS) if len(word) < 60)
        )
        options = [f"-max_total_time={arguments.seconds}", f"-max_len={LONGEST}", f"-timeout={TIMEOUT}"]
        options += [f"-rss_limit_mb={LARGEST}", f"-dict={words}"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], _checked(Path(folder) / "input.yaml"))
        atheris.Fuzz()


def _checked(path: Path) -> Callable[[bytes], None]:
    def one(data: bytes) -> None:
        path.write_bytes(data)
        check(path)

    return one


if __name__ == "__main__":
    main()
