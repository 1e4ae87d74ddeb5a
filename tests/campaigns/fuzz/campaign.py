"""Many inputs, in processes that may not grow beyond a limit and that are stopped when they hang."""

from __future__ import annotations

import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from pathlib import Path

from tests.campaigns.fuzz.checks import check
from tests.campaigns.fuzz.documents import Document
from tests.campaigns.fuzz.inputs import make

Check = Callable[[Path], tuple[str, ...]]

MOST_SECONDS = 2.0  # of processor time for one input
MOST_BYTES = 500_000_000  # of address space for a process, the interpreter included
HANG_SECONDS = 20.0  # without any result, on a machine that may be busy
MOST_FAILURES = 20  # different ones, after which a run ends


@dataclass(frozen=True)
class Result:
    """What came of one input. `memory` is the process's peak so far, in MB; `codes` is empty if it was accepted."""

    seed: int
    strategy: str
    size: int
    codes: tuple[str, ...] = ()
    seconds: float = 0.0
    memory: float = 0.0
    failure: str = ""


@dataclass
class Tally:
    """Counts over all inputs; `failures` by their last lines, each with its first seed."""

    inputs: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    failed: int = 0
    slowest: Result = field(default_factory=lambda: Result(-1, "", 0))
    largest: Result = field(default_factory=lambda: Result(-1, "", 0))

    def add(self, result: Result) -> None:
        """Count one input."""
        self.inputs[result.strategy] += 1
        self.codes.update(result.codes)
        self.slowest = max(self.slowest, result, key=lambda other: other.seconds)
        self.largest = max(self.largest, result, key=lambda other: other.memory)
        if result.failure:
            self.failed += 1
            kind = "\n".join(result.failure.splitlines()[-3:])[:300]
            self.failures.setdefault(kind, f"seed {result.seed} ({result.strategy}): {result.failure}")
        elif not result.codes:
            self.accepted[result.strategy] += 1


def examine(seed: int, pool: Sequence[Document], path: Path, check: Check = check) -> Result:
    """Make one input, write it to `path` and check it, here and now."""
    strategy, data = make(seed, pool)
    path.write_bytes(data)
    begun, failure = time.process_time(), ""
    codes: tuple[str, ...] = ()
    try:
        codes = check(path)
    except Exception:
        failure = traceback.format_exc(limit=-4)
    seconds = time.process_time() - begun
    if seconds > MOST_SECONDS and not failure:
        failure = f"takes more than {MOST_SECONDS:.0f} s"
    return Result(seed, strategy, len(data), codes, seconds, _peak_memory(), failure)


def _peak_memory() -> float:
    """The largest resident size so far of this process, in MB. (getrusage tells that of its parent if it is larger.)"""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def run(inputs: int, processes: int, pool: Sequence[Document], check: Check = check) -> Iterator[Tally]:
    """The tally so far, after every input, until there are so many inputs or too many different failures."""
    tally = Tally()
    workers = [_Worker(range(number, inputs, processes), pool, check) for number in range(processes)]
    try:
        while any(worker.seeds for worker in workers):
            busy = {worker.pipe: worker for worker in workers if worker.seeds}
            ready = connection.wait(list(busy), timeout=1.0)
            for pipe, worker in busy.items():
                for result in worker.results(pipe in ready):
                    tally.add(result)
                    yield tally
            if len(tally.failures) >= MOST_FAILURES:
                return
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A process that checks one input after the other; a new one takes the place of one that died or hung."""

    def __init__(self, seeds: range, pool: Sequence[Document], check: Check) -> None:
        self.seeds = seeds  # of which there is no result yet
        self._pool, self._check = pool, check
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(other, self.seeds, self._pool, self._check), daemon=True)
        self._process.start()
        other.close()
        self._heard = time.monotonic()

    def results(self, is_ready: bool) -> Iterator[Result]:
        """The next result, if there is one; one that tells of a death or hang in place of the result."""
        failure = ""
        if is_ready:
            try:
                yield self.pipe.recv()
            except EOFError:
                self._process.join()
                failure = f"the process died with status {self._process.exitcode}"
        elif time.monotonic() - self._heard > HANG_SECONDS:
            failure = f"no result after {HANG_SECONDS:.0f} s"
        else:
            return
        self._heard = time.monotonic()
        seed, self.seeds = self.seeds[0], self.seeds[1:]
        if failure:
            self.stop()
            strategy, data = make(seed, self._pool)
            yield Result(seed, strategy, len(data), failure=failure)
            if self.seeds:
                self._start()

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _work(pipe: connection.Connection, seeds: range, pool: Sequence[Document], check: Check) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            pipe.send(examine(seed, pool, Path(folder) / "input.yaml", check))
