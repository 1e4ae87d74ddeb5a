import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import pytest

from archc import files
from archc.diagnostics import ExportError
from archc.files import Companions, atomic_write, write_bytes, write_text


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def refusal(path: Path) -> str:
    with pytest.raises(ExportError) as caught:
        write_bytes(path, b"new")
    (problem,) = caught.value.diagnostics
    assert problem.code == "cannot-write"
    return problem.message


def test_a_file_is_written_under_its_name_alone(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "model.onnx") as file:
        file.write(b"one ")
        file.write(memoryview(b"two"))
        assert "model.onnx" not in contents(tmp_path)
    assert contents(tmp_path) == {"model.onnx": b"one two"}


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    write_bytes(tmp_path / "model.onnx", b"a longer old file")
    write_bytes(tmp_path / "model.onnx", b"new")
    assert contents(tmp_path) == {"model.onnx": b"new"}


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(exception: type[BaseException], tmp_path: Path) -> None:
    write_bytes(tmp_path / "model.onnx", b"old")

    def fail_in_the_middle() -> None:
        with atomic_write(tmp_path / "model.onnx") as file:
            file.write(bytes(3_000_000))
            raise exception

    with pytest.raises(exception):
        fail_in_the_middle()
    assert contents(tmp_path) == {"model.onnx": b"old"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the file was not closed by hand
@pytest.mark.parametrize("hash_of", [lambda: None, hashlib.sha256])
def test_whatever_moment_a_signal_comes_at_nothing_half_written_stays(hash_of: Any, tmp_path: Path) -> None:
    moment, ended = 0, False
    while not ended:
        moment += 1
        with suppress(SystemExit), _stopped_at(moment):
            with atomic_write(tmp_path / "model", hash_of()) as file:
                file.write(b"whole")
            ended = True
        assert contents(tmp_path) in ({}, {"model": b"whole"})
    assert moment > 20


@contextmanager
def _stopped_at(moment: int) -> Iterator[None]:
    """Raise SystemExit before one of the lines that archc/files.py runs."""
    passed = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal passed
        if frame.f_code.co_filename != files.__file__:
            return None
        passed += event == "line"
        if passed == moment and event == "line":
            raise SystemExit
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from archc.files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(bytes(3_000_000))
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "model.onnx", b"old")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, tmp_path / "model.onnx"], env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "model.onnx").read_bytes() == b"old"
    leftover = set(contents(tmp_path)) - {"model.onnx"}
    assert all(name.startswith(".model.onnx.") and name.endswith(".tmp") for name in leftover)
    assert len(leftover) == 1


TERMINATED_IN_THE_MIDDLE = """
import hashlib, os, signal, sys
from archc.files import atomic_write
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with atomic_write(sys.argv[1], hashlib.sha256()) as file:
    file.write(bytes(40_000_000))
    os.kill(os.getpid(), signal.SIGTERM)
    file.write(bytes(40_000_000))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM ends a process at once")
def test_a_termination_that_is_turned_into_an_exit_leaves_the_old_file_alone(tmp_path: Path) -> None:
    write_bytes(tmp_path / "model.onnx", b"old")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", TERMINATED_IN_THE_MIDDLE, tmp_path / "model.onnx"], env=environment)
    assert ended.returncode == 128 + signal.SIGTERM
    assert contents(tmp_path) == {"model.onnx": b"old"}


def test_companions_of_two_builds_at_once_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = files._rename

    def rename_and_let_the_other_in(temporary: Path, target: Path, told: Path) -> None:
        rename(temporary, target, told)
        monkeypatch.setattr(files, "_rename", rename)
        write_companion(tmp_path, b"two")

    monkeypatch.setattr(files, "_rename", rename_and_let_the_other_in)
    write_companion(tmp_path, b"one")
    assert contents(tmp_path) == {companion(content): content for content in (b"one", b"two")}


def write_companion(folder: Path, content: bytes) -> None:
    def write(file: BinaryIO) -> None:
        file.write(content)

    Companions(folder / "model.onnx").write(".weights", write)


def companion(content: bytes) -> str:
    return f"model-{hashlib.sha256(content).hexdigest()[:16]}.weights"


def test_a_companion_that_cannot_take_its_name_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / companion(b"one")).mkdir()
    with pytest.raises(ExportError, match=companion(b"one")):
        write_companion(tmp_path, b"one")
    assert [path.name for path in tmp_path.iterdir()] == [companion(b"one")]


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    digest = hashlib.sha256()
    with atomic_write(tmp_path / "model.onnx", digest) as file:
        for size in (1, 5_000_000, 3, 2_000_000):
            file.write(os.urandom(size))
    assert digest.digest() == hashlib.sha256((tmp_path / "model.onnx").read_bytes()).digest()


def test_a_hashed_file_is_written_from_front_to_back_and_another_as_one_likes(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "plain") as file:
        file.write(b"abc")
        file.seek(0)
        file.write(b"A")
    assert (tmp_path / "plain").read_bytes() == b"Abc"

    def overwrite() -> None:
        with atomic_write(tmp_path / "hashed", hashlib.sha256()) as file:
            file.write(b"abc")
            file.seek(0)
            file.write(b"A")

    with pytest.raises(OSError, match="front to back"):
        overwrite()
    assert not (tmp_path / "hashed").exists()
    digest = hashlib.sha256()
    with atomic_write(tmp_path / "hashed", digest) as file:
        file.write(b"abc")
        file.seek(0)  # as torch.export does after its last byte
    assert digest.hexdigest() == hashlib.sha256(b"abc").hexdigest()


def test_the_data_are_synced_before_the_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fsync = tmp_path / "model.onnx", os.fsync
    events: list[tuple[str, bool, int]] = []

    def recorded(descriptor: int) -> None:
        status = os.fstat(descriptor)
        what = "directory" if stat.S_ISDIR(status.st_mode) else "file"
        events.append((what, path.exists(), status.st_size if what == "file" else 0))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    write_bytes(path, b"new")
    assert events == [("file", False, 3), ("directory", True, 0)]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_text_is_utf8_with_its_line_ends(tmp_path: Path) -> None:
    digest = write_text(tmp_path / "file", "größe\r\n\n")
    assert contents(tmp_path) == {"file": "größe\r\n\n".encode()}
    assert digest == hashlib.sha256("größe\r\n\n".encode()).hexdigest()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "model.onnx"
    assert refusal(path) == f"cannot write {path}: there is no directory {tmp_path / 'nowhere'}"


def test_a_directory_is_not_replaced(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"cannot write {tmp_path}: it is a directory"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_directory_that_takes_no_files_is_reported() -> None:
    # /proc refuses new files, even root's.
    assert refusal(Path("/proc/model.onnx")).startswith("cannot write /proc/model.onnx: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_companion_that_has_no_name_yet_is_called_after_its_artefact() -> None:
    with pytest.raises(ExportError, match=r"cannot write /proc/model-….weights: "):
        write_companion(Path("/proc"), b"one")


FULL_DISK = """
import resource, signal, sys
from archc import files
from archc.diagnostics import ExportError
from archc.files import atomic_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    with atomic_write(sys.argv[1]) as file:
        for _ in range(int(sys.argv[2])):
            file.write(bytes(300_000))
except ExportError as error:
    print(error.diagnostics[0].message)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
@pytest.mark.parametrize("pieces", [7, 20])
def test_a_disk_that_takes_no_more_leaves_the_old_file(pieces: int, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_bytes(path, b"old")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command: list[Any] = [sys.executable, "-c", FULL_DISK, path, str(pieces)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == f"cannot write {path}: {os.strerror(errno.EFBIG)}\n"
    assert contents(tmp_path) == {"model.onnx": b"old"}


def test_errors_of_the_block_itself_are_not_renamed(tmp_path: Path) -> None:
    def read_something_else() -> None:
        with atomic_write(tmp_path / "model.onnx") as file:
            file.write((tmp_path / "missing").read_bytes())

    with pytest.raises(FileNotFoundError, match="missing"):
        read_something_else()
    assert contents(tmp_path) == {}


def test_a_directory_that_takes_no_file_is_not_said_to_be_missing() -> None:
    with pytest.raises(ExportError) as caught, atomic_write("/proc/model.onnx"):
        pass
    assert "there is no directory" not in str(caught.value)
