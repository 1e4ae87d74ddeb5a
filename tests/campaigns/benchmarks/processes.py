"""Runs commands as a person would, and measures what each costs as a whole process.

This module imports nothing beyond the standard library: a child's peak memory starts at its parent's, so the parent
must be small.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Job:
    """A command that is measured under a name."""

    name: str
    command: Sequence[str]
    runs: int = 5


@dataclass
class Measurement:
    """The runs of a job: wall time in seconds and peak resident memory in bytes, each per run."""

    seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)

    @property
    def median_seconds(self) -> float:
        """The median wall time."""
        return median(self.seconds)

    @property
    def least_seconds(self) -> float:
        """The shortest wall time: what other work on the machine adds is never negative."""
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """(largest - smallest) / median of the wall times."""
        return (max(self.seconds) - min(self.seconds)) / self.median_seconds

    @property
    def median_peak_bytes(self) -> float:
        """The median peak memory."""
        return median(self.peak_bytes)


class JobFailed(Exception):
    """A command ended with an error; the message holds what it printed."""


def measure(jobs: Iterable[Job]) -> dict[str, Measurement]:
    """Run every job its number of times, in turn, so that a slow minute of the machine falls on all of them."""
    pending = list(jobs)
    measured = {job.name: Measurement() for job in pending}
    for turn in range(max(job.runs for job in pending)):
        for job in pending:
            if turn < job.runs:
                seconds, peak_bytes = _run(job)
                measured[job.name].seconds.append(seconds)
                measured[job.name].peak_bytes.append(peak_bytes)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return measured


def output(command: Sequence[str]) -> str:
    """What a command prints. Raises JobFailed."""
    with tempfile.TemporaryFile("w+b") as printed:
        status, _ = _wait(_spawn(command, printed.fileno()))
        printed.seek(0)
        text = printed.read().decode()
    if status:
        raise JobFailed(f"{' '.join(command)}\n{text}")
    return text


def _run(job: Job) -> tuple[float, int]:
    os.sync()  # what the job before wrote would be put on the disk on this one's time
    with tempfile.TemporaryFile("w+b") as printed:
        start = time.perf_counter()
        status, peak_bytes = _wait(_spawn(job.command, printed.fileno()))
        seconds = time.perf_counter() - start
        if status:
            printed.seek(0)
            raise JobFailed(f"{' '.join(job.command)}\n{printed.read().decode()}")
    return seconds, peak_bytes


def _spawn(command: Sequence[str], printed: int) -> int:
    redirected = [(os.POSIX_SPAWN_DUP2, printed, 1), (os.POSIX_SPAWN_DUP2, printed, 2)]
    return os.posix_spawnp(command[0], list(command), os.environ, file_actions=redirected)


def _wait(process: int) -> tuple[int, int]:
    """Exit status and peak memory of a process and what it started, in bytes."""
    _, status, usage = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
