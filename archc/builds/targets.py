"""What a person names: a spec's file, a build's folder, or a bundled spec; looked for in this order."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import NamedTuple

from archc.diagnostics import UsageError, did_you_mean
from archc.spec.bundled import bundled_specs

MANIFEST = "manifest.json"


class Target(NamedTuple):
    """A spec's file, and the folder of the build that it is part of, if it is."""

    spec: Path
    build: Path | None = None


def find_target(target: str | Path) -> Target:
    """Find a target. Raises UsageError, with the bundled spec that was perhaps meant."""
    path = Path(target)
    if _is_file(path / MANIFEST):
        return Target(path / "spec.yaml", path)
    if _is_file(path):
        return Target(path)
    bundled = bundled_specs()
    if str(target) in bundled:
        return Target(bundled[str(target)])
    if _is_folder(path):
        raise UsageError(f"{path} is a folder without a {MANIFEST}, so it is not a build", code="unknown-target")
    help = did_you_mean(path.stem, bundled) or "`archc list` shows the bundled specs"
    raise UsageError(f"there is no spec, build or bundled spec '{target}'", code="unknown-target", help=help)


def fixed_build(build: Path, option: str) -> UsageError:
    """What to raise where an option would make another network of a build."""
    message = f"{build} is a build, so its parameters and weights are fixed, and it takes no {option}"
    return UsageError(message, code="bad-option", help=f"build the spec anew with {option}")


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


def only_build(folder: Path = Path("build")) -> Target:
    """The only build in a folder, for commands without a target.

    Raises UsageError if there is none or more than one.
    """
    builds = sorted(manifest.parent for manifest in folder.glob(f"*/{MANIFEST}"))
    if len(builds) == 1:
        return Target(builds[0] / "spec.yaml", builds[0])
    if not builds:
        message, help = (
            f"there is no build in {folder}/",
            "name a target, such as `archc export resnet34 --onnx`",
        )
    else:
        message = f"there are {len(builds)} builds in {folder}/: {', '.join(build.name for build in builds)}"
        help = f"name one, such as `archc export {quote(str(builds[0]))} --onnx`"
    raise UsageError(message, code="unknown-target", help=help)
