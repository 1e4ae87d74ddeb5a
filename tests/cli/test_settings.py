"""How a command sets its process up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archc.cli.settings import BLAS_THREADS, one_blas_thread
from archc.spec.bundled import specs_folder


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_numpy_starts_no_threads_where_nobody_asked_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BLAS_THREADS, raising=False)
    count = "import os, numpy; print(len(os.listdir('/proc/self/task')))"
    with one_blas_thread():
        done = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True, check=True)
    assert BLAS_THREADS not in os.environ
    assert int(done.stdout) == 1


def test_what_a_person_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BLAS_THREADS, "3")
    with one_blas_thread():
        assert os.environ[BLAS_THREADS] == "3"
    assert os.environ[BLAS_THREADS] == "3"


def test_the_installed_command_ends_as_it_should_and_after_it_has_printed_everything(tmp_path: Path) -> None:
    archc = Path(sys.executable).with_name("archc")
    printed = subprocess.run([archc, "schema"], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == json.loads((specs_folder() / "archc.schema.json").read_text())
    refused = subprocess.run([archc, "check", "nothing"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert "there is no spec, build or bundled spec 'nothing'" in refused.stderr
