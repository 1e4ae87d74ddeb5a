"""Every bundled spec as source: `python -m tests.campaigns.eject [SPEC …]`.

Prints a table: whether the readable form was delivered (ejecting runs it beside the compiled network, here on small
images where the network takes them), the non-blank lines of archc's file and of torchvision's file of the network,
those of the code alone in both, and the seconds; then what ruff and mypy find in all files. The status is 1 if they
find anything, or if a file is plain or longer than torchvision's.

torchvision's files are read, not imported: `--torchvision FOLDER` has its `models`. Code are the classes and
functions without docstrings and comments; of torchvision those of the network's file, without weights and builders,
and those of `ops` and `_utils` that these name.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

import torch

from archc.ejection import eject_spec
from archc.spec.bundled import bundled_specs
from archc.spec.loading import load_spec
from tests.ejection.sources import LINTED

FILES = {
    "alexnet": "alexnet", "convnext": "convnext", "densenet": "densenet", "efficientnet": "efficientnet",
    "googlenet": "googlenet", "inception_v3": "inception", "maxvit": "maxvit", "mnasnet": "mnasnet",
    "mobilenet_v2": "mobilenetv2", "mobilenet_v3": "mobilenetv3", "regnet": "regnet", "resnet": "resnet",
    "shufflenet": "shufflenetv2", "squeezenet": "squeezenet", "swin": "swin_transformer", "vgg": "vgg",
    "vit": "vision_transformer",
}  # fmt: skip
"""The beginning of a spec's name → torchvision's file."""

RUFF = ["--isolated", "--line-length", "120"]
TOOLS = (["ruff", "format", "--check", *RUFF], ["ruff", "check", *RUFF, "--select", LINTED], ["mypy", "--strict"])

_Definition = tuple[ast.ClassDef | ast.FunctionDef, str]  # and the text of its file


def main() -> None:
    """Eject, count, check."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.eject", description=__doc__)
    parser.add_argument("specs", nargs="*")
    parser.add_argument("--torchvision", type=Path, help="torchvision's folder `models`")
    parser.add_argument("--full", action="store_true", help="run each network on an image of full size too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # small convolutions wait for threads rather than for sums
    print("| spec | form | lines | torchvision's file | code | torchvision's code | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="eject-") as folder:
        poor = False
        for name in arguments.specs or sorted(bundled_specs()):
            start = perf_counter()
            ejected = eject_spec(load_spec(bundled_specs()[name]), {}, small=not arguments.full)
            Path(folder, f"{name.replace('/', '_')}.py").write_text(ejected.text)
            whole, needed = _theirs(name, arguments.torchvision)
            form, ours = "plain" if ejected.plain else "readable", lines(ejected.text)
            row = (name, form, ours, whole, code(ejected.text), needed, f"{perf_counter() - start:.1f}")
            print(f"| {' | '.join(map(str, row))} |", flush=True)
            poor |= ejected.plain or (isinstance(whole, int) and ours >= whole)
        findings = [_findings(tool, folder) for tool in TOOLS]
    sys.exit(poor or any(findings))


def _findings(tool: Sequence[str], folder: str) -> bool:
    """True if a tool finds something in the files of a folder. Side effect: that is printed, or else its summary."""
    command = [sys.executable, "-m", *tool, "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = done.stdout.strip().splitlines() or [done.stderr.strip()]
    print(f"{' '.join(tool[:2])}:", *(said if done.returncode else said[-1:]), sep="\n  ", flush=True)
    return done.returncode != 0


def code(text: str) -> int:
    """The lines of classes and functions, without blank ones, comments and docstrings."""
    return sum(_code_lines(node, text) for node in _defined(text))


def lines(text: str) -> int:
    """The lines that are not blank."""
    return sum(bool(line.strip()) for line in text.splitlines())


def _theirs(name: str, folder: Path | None) -> tuple[int | str, int | str]:
    """The lines of torchvision's file, and of its classes and helpers without weights, factories and docstrings."""
    file = next((file for begin, file in FILES.items() if name.startswith(begin)), None)
    if folder is None or file is None:
        return "", ""
    text = (folder / f"{file}.py").read_text()
    borrowed = [path.read_text() for path in (*sorted((folder.parent / "ops").glob("*.py")), folder / "_utils.py")]
    own = [(node, text) for node in _defined(text) if not _is_builder(node)]
    others = {node.name: (node, source) for source in borrowed for node in _defined(source)}
    return lines(text), sum(_code_lines(*each) for each in _needed(own, others))


def _needed(own: list[_Definition], others: Mapping[str, _Definition]) -> list[_Definition]:
    """The network's definitions, and those of other files that they name, directly or not."""
    found = {node.name: (node, source) for node, source in own}
    waiting = list(own)
    while waiting:
        for each in ast.walk(waiting.pop()[0]):
            name = each.id if isinstance(each, ast.Name) else ""
            if name in others and name not in found and not name.startswith("_log"):
                found[name] = others[name]
                waiting.append(others[name])
    return list(found.values())


def _defined(source: str) -> list[ast.ClassDef | ast.FunctionDef]:
    return [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def _is_builder(node: ast.ClassDef | ast.FunctionDef) -> bool:
    """True for weights, and for functions that build a size of a network and load these."""
    if isinstance(node, ast.ClassDef):
        return any("Enum" in ast.unparse(base) for base in node.bases)
    return "progress" in [each.arg for each in (*node.args.args, *node.args.kwonlyargs)] or "load" in node.name


def _code_lines(node: ast.ClassDef | ast.FunctionDef, source: str) -> int:
    """The lines of a definition as they are written, without blank ones, comments and docstrings."""
    numbers = set(range(node.lineno, (node.end_lineno or 0) + 1))
    for each in ast.walk(node):
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(each):
            numbers -= set(range(each.body[0].lineno, (each.body[0].end_lineno or 0) + 1))
    written = source.splitlines()
    return sum(
        not written[number - 1].strip().startswith("#") and bool(written[number - 1].strip()) for number in numbers
    )


if __name__ == "__main__":
    main()
