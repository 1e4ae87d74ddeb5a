"""What is installed: from a wheel, from the checkout, and from the lock file."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import archc
from archc.version import DISTRIBUTION


def run(*command: str | Path, cwd: Path) -> str:
    """The standard output of a command, started as from a shell outside any checkout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a source distribution of a copy of the checkout, which so stays as it is."""
    folder = tmp_path_factory.mktemp("dist")
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    source = shutil.copytree(repository, folder / "source", ignore=ignored)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a new environment that has the wheel, and everything but archc from the current one."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder,
        "install",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    # Python searches what a .pth file names but reads no .pth files in it; one leads to the checkout.
    site = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    Path(site.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return scripts


def test_the_wheel_holds_the_code_its_texts_the_exporters_the_specs_and_nothing_else(
    repository: Path, wheel: Path
) -> None:
    expected = {"archc/py.typed", "archc/specs/archc.schema.json"}
    for folder, target in (("archc", "archc"), ("exporters", "archc/exporters"), ("specs", "archc/specs")):
        for path in (repository / folder).rglob("*"):
            if path.suffix in (".py", ".yaml", ".md"):
                expected.add(f"{target}/{path.relative_to(repository / folder).as_posix()}")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert names == expected
    assert len(licences) == 1


def test_an_installed_archc_exports_resnet34_from_any_directory(installed: Path, tmp_path: Path) -> None:
    program = "import archc, sys; print(archc.__file__.startswith(sys.prefix))"
    assert run(installed / "python", "-c", program, cwd=tmp_path) == "True\n"

    run(installed / "archc", "export", "resnet34", "--onnx", cwd=tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "build/resnet34/resnet34.onnx")
    for batch in (1, 2, 7):
        (logits,) = session.run(None, {"input": np.zeros((batch, 3, 224, 224), np.float32)})
        assert np.asarray(logits).shape == (batch, 1000)


def test_the_checkout_is_installed_with_its_exporters(tmp_path: Path) -> None:
    program = "import importlib; print(importlib.import_module('archc.exporters').__name__)"
    assert run(sys.executable, "-c", program, cwd=tmp_path) == "archc.exporters\n"


def test_the_policies_hold_wherever_the_checkout_stands(repository: Path, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(".[!c]*", "build", "dist", "*.egg-info", "__pycache__")
    copy = shutil.copytree(repository, tmp_path / "a b" / "archc", ignore=ignored)
    (tmp_path / "link").symlink_to(copy, target_is_directory=True)
    names = "imports or registry or init_file or 400 or packages or prints or names_that"
    for place in (copy, tmp_path / "link"):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_policy.py"]
        run(*command, "-k", f"({names}) and not check_imports", cwd=place)


def test_nothing_installs_the_other_project_of_our_name(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["version"]) == (DISTRIBUTION, archc.__version__)
    assert version(DISTRIBUTION) == archc.__version__
    texts = [path for folder in ("archc", "docs", "exporters", "tests") for path in (repository / folder).rglob("*.*")]
    found = [
        f"{path.name}: {line}"
        for path in (*texts, *repository.glob("*.md"), repository / "Makefile")
        if path.suffix in ("", ".md", ".py", ".txt")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"pip3? (un)?install\b.*?[ '\"]archc(?![-\w/.])", line)
    ]
    assert found == []


def test_the_lock_file_pins_every_dependency_exactly(repository: Path) -> None:
    lines = (repository / "requirements.lock").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    required = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower() for requirement in required}
    assert names - {name.lower() for name in pinned} == set()
    assert pinned["torch"] == "2.13.0"
    # A local version, such as 2.13.0+cpu, is in no public index.
    assert [name for name, version in pinned.items() if not re.fullmatch(r"[\d.]+", version)] == []
