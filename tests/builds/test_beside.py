"""Work in a copy of the process: what it gives, what it raises, and what is left when one of the two is ended."""

import subprocess
import sys
from pathlib import Path

import pytest

START = """
import os, signal, sys, threading, time
from pathlib import Path
from archc.builds.beside import beside
from archc.diagnostics import ExportError
parent = os.getpid()
def tidy():
    Path("begun").touch()
    try:
        time.sleep(60)
    finally:
        Path("tidied").touch()
def interrupted():
    while not Path("begun").exists():
        time.sleep(0.01)
    raise KeyboardInterrupt
"""


def printed(code: str, folder: Path) -> str:
    """What a process of its own prints: this one has threads, and is not copied."""
    done = subprocess.run([sys.executable, "-c", START + code], cwd=folder, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.strip()


def test_the_work_is_done_in_another_process(tmp_path: Path) -> None:
    code = "print(beside(lambda: os.getpid() != parent, lambda: Path('meanwhile').touch()))"
    assert printed(code, tmp_path) == "True"
    assert (tmp_path / "meanwhile").exists()


def test_what_goes_wrong_meanwhile_is_of_no_account(tmp_path: Path) -> None:
    assert printed("print(beside(lambda: 3, lambda: 1 / 0))", tmp_path) == "3"


@pytest.mark.parametrize(
    "before",
    ["threading.Thread(target=time.sleep, args=(0.5,)).start()", "sys.modules['torch'] = None"],
    ids=["threads", "PyTorch"],
)
def test_a_process_that_has_threads_does_the_work_itself(before: str, tmp_path: Path) -> None:
    assert printed(f"{before}\nprint(beside(lambda: os.getpid() == parent, lambda: None))", tmp_path) == "True"


def test_a_process_that_has_threads_does_both_at_the_same_time(tmp_path: Path) -> None:
    code = """
threading.Thread(target=time.sleep, args=(0.5,)).start()
def work():
    end = time.monotonic() + 30
    while not Path("meanwhile").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return Path("meanwhile").exists()
print(beside(work, lambda: Path("meanwhile").touch()))
"""
    assert printed(code, tmp_path) == "True"


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("raise ExportError('no room', code='cannot-write', help='make some')", "[cannot-write] no room make some"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "[cannot-write] the process that writes ended with status -9 None",
        ),
    ],
)
def test_an_error_is_raised_here(work: str, told: str, tmp_path: Path) -> None:
    code = f"""
def work():
    {work}
try:
    beside(work, lambda: None)
except ExportError as error:
    (found,) = error.diagnostics
    print(f"[{{found.code}}] {{found.message}} {{found.help}}")
"""
    assert printed(code, tmp_path) == told


def test_an_error_says_where_it_was_raised(tmp_path: Path) -> None:
    code = """
def work():
    return {}["missing"]
try:
    beside(work, lambda: None)
except KeyError as error:
    print(error.__notes__)
"""
    assert "in work" in printed(code, tmp_path)


def test_an_interrupted_process_has_the_other_clean_up(tmp_path: Path) -> None:
    code = """
try:
    beside(tidy, interrupted)
except KeyboardInterrupt:
    print("interrupted")
"""
    assert printed(code, tmp_path) == "interrupted"
    assert (tmp_path / "tidied").exists()
