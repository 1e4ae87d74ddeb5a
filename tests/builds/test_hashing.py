"""The SHA-256 of a file: computed once, by a thread where somebody began it, and held to what a manifest expects."""

import os
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from archc.builds import hashing
from archc.builds.hashing import HashedFile
from archc.diagnostics import BuildError


@pytest.mark.parametrize("ahead", [False, True])
def test_a_file_is_hashed_once_by_a_thread_only_if_it_was_begun(
    ahead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    real = hashing.sha256_of

    def noted(path: Path) -> str:
        threads.append(threading.current_thread())
        return real(path)

    monkeypatch.setattr(hashing, "sha256_of", noted)
    path = tmp_path / "weights"
    path.write_bytes(b"some")
    file = HashedFile(path)
    if ahead:
        file.begin()
        file.begin()
    assert [file.digest(), file.digest()] == [sha256(b"some").hexdigest()] * 2
    file.confirm(file.digest())
    assert [thread is threading.main_thread() for thread in threads] == [not ahead]


@pytest.mark.parametrize("expected", ["0" * 64, None])
def test_another_digest_than_the_manifests_is_refused(expected: str | None, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"some")
    with pytest.raises(BuildError, match=r"weights is not the file that was built: its SHA-256 differs"):
        HashedFile(path).confirm(expected)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_file_that_is_not_there_is_reported_when_it_is_needed(ahead: bool, tmp_path: Path) -> None:
    file = HashedFile(tmp_path / "missing")
    if ahead:
        file.begin()
    with pytest.raises(BuildError, match=r"cannot read .*missing"):
        file.digest()


@pytest.mark.skipif(os.name != "posix", reason="needs pipes among the files")
def test_no_thread_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = threading.active_count()
    HashedFile(tmp_path / "pipe").begin()
    assert threading.active_count() == before
