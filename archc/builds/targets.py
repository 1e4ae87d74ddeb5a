"""What a person names: a spec's file, a build's folder, or a bundled spec; looked for in this order."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from archc.builds.folders import refuse_links
from archc.diagnostics import UsageError, did_you_mean, option
from archc.spec.bundled import bundled_specs

MANIFEST = "manifest.json"
_PYTHON_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FACTORY = re.compile(f"({_PYTHON_NAME}):{_PYTHON_NAME}")


class Target(NamedTuple):
    """A spec's file, and the folder of the build that it is part of, if it is.

    `outputs` are paths and marks at which the network is cut.
    """

    spec: Path
    build: Path | None = None
    outputs: tuple[str, ...] = ()


def find_target(target: str | Path, outputs: Sequence[str] = ()) -> Target:
    """Find a target, to be cut at these outputs.

    Raises: UsageError, with the bundled spec that was perhaps meant, or if a build is to be cut; BuildError: a build's
    spec lies elsewhere.
    """
    found = _found(target)
    if found.build and outputs:
        raise fixed_build(found.build, "outputs")
    return found._replace(outputs=tuple(outputs))


def _found(target: str | Path) -> Target:
    path = Path(target)
    if _is_file(path / MANIFEST):
        refuse_links(path, "spec.yaml")
        return Target(path / "spec.yaml", path)
    if _is_file(path):
        return Target(path)
    bundled = bundled_specs()
    if str(target) in bundled:
        return Target(bundled[str(target)])
    if _is_folder(path):
        raise no_build(path)
    help = did_you_mean(path.stem, bundled) or "`archc list` shows the bundled specs"
    raise UsageError(f"there is no spec, build or bundled spec '{target}'", code="unknown-target", help=help)


def is_factory(text: str) -> bool:
    """True for `package.module:factory`: not for a file, a drive, a spec's preset or a bundled spec's."""
    match = _FACTORY.fullmatch(text)
    if not match or match[1].endswith((".yaml", ".yml")) or match[1] in bundled_specs() or _is_file(Path(text)):
        return False
    return not (os.name == "nt" and len(match[1]) == 1)


def no_build(folder: Path) -> UsageError:
    """What to raise for a folder in which no build lies."""
    return UsageError(f"{folder} is a folder without a {MANIFEST}, so it is not a build", code="unknown-target")


def fixed_build(build: Path, name: str) -> UsageError:
    """What to raise where the option of this name would make another network of a build."""
    message = f"{build} is a build, so its parameters and weights are fixed, and it takes no {option(name)}"
    return UsageError(message, code="bad-option", help=f"build the spec anew with {option(name)}")


def find_specs(target: str) -> list[str]:
    """The target; in place of a folder that is no build, the `.yaml` and `.yml` files below it.

    Hidden files and folders are left out, and so is what builds hold. Raises UsageError: there is no such file in the
    folder.
    """
    folder = Path(target)
    if not _is_folder(folder) or (folder / MANIFEST).is_file() or target in bundled_specs():
        return [target]
    below = (path for path in sorted(folder.rglob("*")) if path.suffix in (".yaml", ".yml") and path.is_file())
    found = [
        str(path)
        for path in below
        if not any(part[0] == "." for part in path.relative_to(folder).parts) and not _is_file(path.parent / MANIFEST)
    ]
    if not found:
        raise UsageError(f"there is no .yaml file in the folder {folder}", code="unknown-target")
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # such as a name that is too long, or with a null character
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
