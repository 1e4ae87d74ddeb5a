"""An export that is killed leaves the old file or the new one, whole, whenever the kill comes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 50
# 16 MB of weights, so that a good part of the time goes into writing.
SPEC = """\
name: wide
input: {channels: 3, height: 4, width: 4}
layers: [flatten, {linear: {name: fc1, out_features: 2000}}, {linear: {name: fc2, out_features: 2000}}]
"""


def start(folder: Path, seed: int, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "archc", "export", "wide.yaml", "--onnx", "--no-verify", "--seed", str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([*command, *options], cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def content(folder: Path) -> tuple[bytes, ...]:
    """The artefact, and the files that it names beside it."""
    model = (folder / "build" / "wide" / "wide.onnx").read_bytes()
    beside = sorted((folder / "build" / "wide").glob("wide-*.weights"))
    return (model, *(path.read_bytes() for path in beside if path.name.encode() in model))


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.parametrize("options", [(), ("--external-data",)], ids=["embedded", "external"])
def test_a_kill_at_any_moment_leaves_a_whole_file(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text(SPEC)
    whole = []
    for seed in (0, 1):
        begun = time.monotonic()
        assert start(tmp_path, seed, *options).wait() == 0
        duration = time.monotonic() - begun
        whole.append(content(tmp_path))
    moments = random.Random(0)
    seen = {whole.index(content(tmp_path))}
    for kill in range(KILLS // 2):
        process = start(tmp_path, kill % 2, *options)
        time.sleep(moments.uniform(0.2, 1.1) * duration)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert content(tmp_path) in whole
        seen.add(whole.index(content(tmp_path)))
    assert seen == {0, 1}, "no export came to its end, so nothing was replaced"
    assert start(tmp_path, 0, *options).wait() == 0
    assert content(tmp_path) == whole[0]


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGTERM")
def test_an_export_that_is_asked_to_stop_removes_what_it_had_begun(tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text(SPEC)
    status = 0
    while status == 0:  # the file was whole before the signal came
        shutil.rmtree(tmp_path / "build", ignore_errors=True)
        process = start(tmp_path, 0)
        while process.poll() is None and not list(tmp_path.glob("build/wide/.*.tmp")):
            time.sleep(0.001)
        process.terminate()
        status = process.wait()
    assert status == 128 + signal.SIGTERM
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".onnx")] == []
