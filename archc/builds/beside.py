"""Runs two things at the same time that both hold Python's lock: one of them in a copy of this process."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from archc.diagnostics import ExportError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

T = TypeVar("T")
LARGE_MODULE = "torch"  # a process that has imported it has threads, and nothing to wait for


def beside(work: Callable[[], T], meanwhile: Callable[[], object]) -> T:
    """What `work` gives or raises, with `meanwhile` run in this process at the same time.

    The work is done in a forked copy of this process, whose memory this process does not see: the result is pickled.
    Where a process cannot be copied safely, as it has threads, the work is done here, and `meanwhile` on a thread,
    which is not waited for. What goes wrong in `meanwhile` is of no account.
    Raises: ExportError: the copy was killed, as by a system without memory.
    """
    if not _may_fork():
        with suppress(RuntimeError):  # there is no memory for a thread
            threading.Thread(target=_quietly, args=(meanwhile,), daemon=True).start()
        return work()
    from multiprocessing import get_context

    context = get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(work, writer), daemon=True)
    try:
        process.start()
    except OSError:  # no memory for another process
        return work()
    try:
        writer.close()
        _quietly(meanwhile, Exception)
        result: T
        result, error = _received(reader, process)
    finally:
        process.terminate()
        process.join()
        reader.close()
    if error is not None:
        raise error
    return result


def _quietly(function: Callable[[], object], what: type[BaseException] = BaseException) -> None:
    with suppress(what):
        function()


def _may_fork() -> bool:
    """True where a copy of this process has all that this one has: threads are not copied."""
    return sys.platform == "linux" and threading.active_count() == 1 and LARGE_MODULE not in sys.modules


def _answer(work: Callable[[], object], writer: Connection) -> None:
    """Send what the work gives or raises. Ctrl-C reaches the parent as well, which then has this process clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        answer: tuple[object, BaseException | None] = work(), None
    except BaseException as error:
        error.add_note(traceback.format_exc())  # where it was raised: the parent's own does not tell
        answer = None, error
    with suppress(BrokenPipeError):  # nobody waits any more
        writer.send(answer)


def _received(reader: Connection, process: BaseProcess) -> tuple[Any, BaseException | None]:
    try:
        answer: tuple[Any, BaseException | None] = reader.recv()
    except EOFError:
        process.join()
        told = f"the process that writes ended with status {process.exitcode}"
        return None, ExportError(told, code="cannot-write")
    return answer
