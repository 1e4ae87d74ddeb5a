"""Runs files from elsewhere in processes of their own, which are ended at a limit of time or memory, or by Ctrl-C.

A loop in a file may have no end, a shape may take all memory, and the C++ of a runtime heeds no interrupt.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from archc.diagnostics import ExportError
from archc.exporting import LIMIT

from . import engines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


MOST_SECONDS = 120.0
SHARE = 0.5  # of the machine's memory
USUAL_BYTES = 16 << 30  # of a machine that does not tell


def _memory() -> int:
    try:
        return int(SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return int(SHARE * USUAL_BYTES)


@dataclass(frozen=True)
class Limits:
    """What a process may take: seconds for each step (to open the file, or to run it once), and bytes of memory."""

    seconds: float = MOST_SECONDS
    memory: int = field(default_factory=_memory)


class Child:
    """A process that opens one file with one engine. It lives as long as this object, or until it breaks a limit."""

    def __init__(self, who: str, engine: str, limits: Limits) -> None:
        self._who, self._engine, self._limits = who, engine, limits
        self._ended: str | None = None
        paths = [str(Path(path).resolve()) for path in sys.path if path]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MALLOC_ARENA_MAX": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-P", engines.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where names of the file would be printed
            env=environment,
            start_new_session=True,  # so that only this process sees an interrupt
        )
        weakref.finalize(self, _end, self._process)

    def open(self, path: Path, *options: object) -> tuple[list[str], list[str]]:
        """The names of the inputs and of the outputs. Raises ExportError: it refuses, or breaks a limit."""
        request = {"path": str(path), "engine": self._engine, "options": options}
        header, _ = self._ask({**request, "memory": self._limits.memory}, [], f"refuses {path.name}")
        return header["inputs"], header["outputs"]

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs. Raises ExportError: the engine refuses, or breaks a limit."""
        return self._ask({}, list(arrays), "fails")[1]

    def _ask(
        self, request: dict[str, Any], arrays: list[np.ndarray], failing: str
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        if self._ended:
            raise self._error(self._ended)
        timer = Timer(self._limits.seconds, self._stop)
        timer.start()
        try:
            header, outputs = self._answer({**request, "seconds": self._limits.seconds}, arrays)
        except Exception as error:  # an answer may be anything
            self._ended = self._ended or self._death(error)
            raise self._error(self._ended) from None
        except BaseException:  # an interrupt
            self._ended = "was interrupted"
            _end(self._process)
            raise
        finally:
            timer.cancel()
            timer.join()
        if "error" in header:
            if header["memory"]:
                most = f"{self._limits.memory / 2**20:,.0f} MiB"
                failing = f"needs more memory than {most}, {LIMIT}"
            raise self._error(f"{failing}: {header['error']}")
        return header, outputs

    def _answer(self, request: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        assert self._process.stdin, "it is a pipe"
        assert self._process.stdout, "it is a pipe"
        engines.send(self._process.stdin, request, arrays)
        return engines.receive(self._process.stdout, self._limits.memory)

    def _stop(self) -> None:
        self._ended = f"was stopped after {self._limits.seconds:g} s, {LIMIT}"
        self._process.kill()

    def _death(self, error: Exception) -> str:
        """Why there is no answer."""
        self._process.kill()
        status = self._process.wait()
        if not isinstance(error, EOFError | OSError):
            return f"gives an answer that cannot be read: {error}"
        return f"ended with {signal.Signals(-status).name if status < 0 else f'exit status {status}'}"

    def _error(self, reason: str) -> ExportError:
        return ExportError(f"{self._who} {reason}", code="cannot-run")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe, "it is a pipe"
        with suppress(BrokenPipeError):  # by a request that was not read
            pipe.close()
