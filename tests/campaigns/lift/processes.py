"""Runs a function on many names, several at a time, each in a forked process with a limit of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

Row = Mapping[str, object]


@dataclass
class _Running:
    name: str
    process: ForkProcess
    end: float


def rows(function: Callable[[str], Row], names: Sequence[str], at_once: int, seconds: float) -> Iterator[Row]:
    """What the function gives for each name, as it comes; a `reason` where it gives nothing in time."""
    waiting, running = list(names), dict[Connection, _Running]()
    while waiting or running:
        while waiting and len(running) < at_once:
            reader, started = _started(function, waiting.pop(0), seconds)
            running[reader] = started
        ready = wait(list(running), timeout=1)
        for reader, started in list(running.items()):
            if reader in ready or time.monotonic() > started.end:
                del running[reader]
                yield _row(reader, started, reader in ready)


def _started(function: Callable[[str], Row], name: str, seconds: float) -> tuple[Connection, _Running]:
    context = get_context("fork")  # what is imported is there
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=lambda: writer.send(function(name)), daemon=True)
    process.start()
    writer.close()
    return reader, _Running(name, process, time.monotonic() + seconds)


def _row(reader: Connection, started: _Running, answered: bool) -> Row:
    try:
        row: Row = reader.recv() if answered else {"network": started.name, "reason": "not done in time"}
    except EOFError:
        started.process.join()
        row = {"network": started.name, "reason": f"its process ended with status {started.process.exitcode}"}
    if not answered:
        started.process.kill()
    started.process.join()
    reader.close()
    return {"seconds": 0.0, **row}
