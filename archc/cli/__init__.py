"""The command line: parses, calls the pipeline, prints. No logic lives here."""

from __future__ import annotations

import atexit
import gc
import os
import re
import signal
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archc.diagnostics import ArchcError

# Imports make many objects and no garbage: Python's default of 700 would look through them all a hundred times.
OBJECTS_BETWEEN_COLLECTIONS = 200_000
# A thread that hashes or writes needs Python's lock for microseconds, and would wait for it 5 ms each time.
SECONDS_BETWEEN_THREADS = 0.0002
# A thread of PyTorch's that waits keeps a processor busy, on which ONNX Runtime or another program could compute. With
# a tenth of the usual patience a proof takes as long on an idle machine, and a third of the time on a busy one.
SPINS_OF_IDLE_THREADS = "GOMP_SPINCOUNT", "30000"
INTERRUPTED, BROKEN_PIPE = 130, 141  # as a shell counts the signals
# Packages that are installed under another name than they are imported by.
PACKAGES = {"yaml": "pyyaml"}
# Packages whose import takes so much memory that it may fail, or whose installation may be broken.
LARGE = {"numpy": "NumPy", "torch": "PyTorch", "onnx": "ONNX", "onnxruntime": "ONNX Runtime"}
NO_MEMORY = re.compile(
    "failed to map segment|annot allocate memory|can't allocate memory|can't start new thread|bad_alloc|exception set$"
)


def command() -> None:
    """The installed `archc`: `main`, after which the process ends at once.

    Python would first take every object apart, for 0.15 s after PyTorch was loaded, and wait for a thread whose file
    nobody needs any more.
    """
    try:
        main()
    except SystemExit as finished:
        atexit._run_exitfuncs()
        with suppress(AttributeError, OSError):  # there is none, or nobody reads it
            sys.stderr.flush()
        os._exit(int(finished.code or 0))


def main() -> None:
    """Run `archc`. What a person did wrong is told in words, with the exit status of its kind.

    Side effect: warnings and tracebacks of the process are printed by archc, since texts of files may be in them.
    """
    status = 0
    sys.excepthook = _traceback
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that unfinished files are removed
    try:
        status = _version() if sys.argv[1:] == ["--version"] else _run_tuned(sys.argv[1:])
        if sys.stdout:
            sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough
        status = BROKEN_PIPE
        _silence()
    except OSError as error:  # standard output is full
        _silence()
        status = status or _tell(_failed(error), [])
    sys.exit(status)


def _traceback(*error: Any) -> None:
    import traceback

    from archc.cli.output import print_alarm

    print_alarm("".join(traceback.format_exception(*error)))


def _warning(message: Warning | str, *_: Any, **__: Any) -> None:
    from archc.cli.output import print_alarm

    print_alarm(f"warning: {message}")


def _version() -> int:
    # The commonest question needs no parser.
    from archc.cli.output import print_lines
    from archc.version import VERSION

    print_lines(f"archc {VERSION}")
    return 0


def _run_tuned(arguments: list[str]) -> int:
    """Run a command line in an interpreter that is set up for a process of seconds and a few threads."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    os.environ.setdefault(*SPINS_OF_IDLE_THREADS)
    sys.setswitchinterval(SECONDS_BETWEEN_THREADS)
    warnings.showwarning = _warning
    return run(arguments)


def _silence() -> None:
    """Drop what is still to be printed, which the interpreter would try again while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit status."""
    from archc.diagnostics import ArchcError, options_spelled

    try:
        with options_spelled(_spelled):
            return _run(arguments)
    except ArchcError as error:
        return _tell(error, arguments)
    except ModuleNotFoundError as error:
        return _tell(_missing(error), arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _tell(_unloadable(error) or _failed(error), arguments)
    except (ImportError, MemoryError, SystemError, RuntimeError) as error:
        surroundings = _unloadable(error) or _exhausted(error)
        if surroundings is None:
            raise
        return _tell(surroundings, arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    from archc.cli.app import COMMANDS, Misuse, app, listing
    from archc.cli.output import print_misuse

    chosen = [command for command in arguments[:1] if command in COMMANDS]
    for command in chosen:
        import_module(f"archc.cli.commands.{command}")  # which registers it
    application = app if chosen else listing()
    try:
        return int(application(arguments, prog_name="archc", standalone_mode=False) or 0)
    except Misuse as error:
        print_misuse(error.show)
        return error.exit_code
    except SystemExit as finished:
        return int(finished.code or 0)


def _spelled(name: str, value: str) -> str:
    from archc.cli.flags import spelled

    return spelled(name, value)


def _tell(error: ArchcError, arguments: list[str]) -> int:
    """Print an error, for a script on standard output, and return its exit status."""
    from archc.cli.output import print_json, print_problems, problems_as_json

    wants_json = "--format=json" in arguments or ("--format", "json") in pairwise(arguments)
    if wants_json:
        print_json({"problems": problems_as_json(error)})
    else:
        print_problems(error)
    return error.exit_status


def _missing(error: ModuleNotFoundError) -> ArchcError:
    """Raises the error again if what is missing is a part of archc, which is our own mistake."""
    from archc.diagnostics import MissingDependency

    module = (error.name or "").partition(".")[0]
    if module in ("", "archc"):
        raise error
    help = f"pip install {PACKAGES.get(module, module)}"
    return MissingDependency(f"the package {module} is not installed", code="missing-dependency", help=help)


def _unloadable(error: Exception) -> ArchcError | None:
    """Which package could not be loaded, if the error came about while one of `LARGE` was imported."""
    from traceback import walk_tb

    from archc.diagnostics import MissingDependency

    packages = [
        str(frame.f_globals.get("__name__")).partition(".")[0]
        for frame, _ in walk_tb(error.__traceback__)
        if frame.f_code.co_name == "<module>"
    ]
    package = next((package for package in packages if package in LARGE), None)
    if package is None:
        return None
    if _exhausted(error):
        return MissingDependency(f"there is not enough memory to load {LARGE[package]}", code="out-of-memory")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    help = f"pip install --force-reinstall {package}"
    return MissingDependency(f"{LARGE[package]} cannot be loaded: {reason}", code="missing-dependency", help=help)


def _exhausted(error: Exception) -> ArchcError | None:
    """That memory ran out, if the error says so: Python may have a SystemError of it, and the loader an ImportError."""
    from archc.diagnostics import MissingDependency

    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return MissingDependency("there is not enough memory", code="out-of-memory")
    return None


def _failed(error: OSError) -> ArchcError:
    """What the system refused, for example to read a file or to write standard output."""
    from archc.diagnostics import BuildError, ExportError

    reason = error.strerror or str(error)
    if error.filename is None:
        return ExportError(f"cannot read or write: {reason}", code="cannot-write")
    return BuildError(f"cannot read {error.filename}: {reason}", code="unreadable")
