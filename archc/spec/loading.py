"""Files -> specs, with the shared files that they use.

load_spec(path) -> Spec
parse_text(source, folder) -> Spec
resolved_text(path, settings) -> str
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import replace
from pathlib import Path
from typing import Any

from archc.diagnostics import Source, SpecError, did_you_mean
from archc.spec.bundled import specs_folder
from archc.spec.document import Spec
from archc.spec.dump import dump
from archc.spec.loader import compose, load, read_source
from archc.spec.parsing import parse_library, parse_spec
from archc.spec.tree import Mapping, Scalar, Tree, plain


def load_spec(path: str | Path) -> Spec:
    """Read a spec and the shared files under its `use`. Raises SpecError with every problem of a file."""
    source = read_source(path)
    return parse_text(source, Path(path).parent)


def parse_text(source: Source, folder: Path) -> Spec:
    """A spec from its text; shared files are looked for in `folder`, then among the bundled specs.

    Raises: SpecError: with every problem of the spec, or of one shared file.
    """
    spec, files = parse_spec(*compose(source))
    blocks = {name: block for file in files for name, block in parse_library(_shared(file, folder)).items()}
    return replace(spec, blocks={**blocks, **spec.blocks}) if blocks else spec


def resolved_text(path: str | Path, settings: MappingType[str, str]) -> str:
    """The text of a spec that needs nothing else: settings as defaults, shared blocks written out.

    It is read back as the same network. Comments are not kept. Raises SpecError, UsageError.
    """
    tree = load(read_source(path))
    spec, files = parse_spec(tree)
    spec.resolve(settings)
    data = _data(tree)
    data.pop("use", None)
    for name, text in settings.items():
        data["parameters"][name] = f"{spec.parameters[name].type} = {text}"
    shared: dict[str, Any] = {}
    for file in files:
        library = _shared(file, Path(path).parent)
        parse_library(library)
        shared |= _data(library)["blocks"]
    if shared:
        data["blocks"] = {**shared, **data.get("blocks", {})}
    return dump(data)


def _data(tree: Tree) -> dict[str, Any]:
    assert isinstance(tree, Mapping), "it was parsed before"
    return {key: plain(entry.value) for key, entry in tree.entries.items()}


def _shared(file: Scalar, folder: Path) -> Tree:
    """The tree of a shared file. Raises SpecError: it leaves both folders, or is in neither."""
    name = file.text
    if Path(name).is_absolute() or ".." in Path(name).parts or not name.isprintable():
        help = "a shared file lies in the spec's folder or among the bundled specs"
        raise SpecError(f"the path '{name}' is refused", code="bad-path", span=file.span, help=help)
    for root in (folder, specs_folder()):
        if _lies_within(root / name, root):
            return load(read_source(root / name))
    available = [path.relative_to(specs_folder()).as_posix() for path in specs_folder().glob("blocks/*.yaml")]
    help = did_you_mean(name, available) or "a shared file lies in the spec's folder or among the bundled specs"
    raise SpecError(f"there is no shared file '{name}'", code="unreadable", span=file.span, help=help)


def _lies_within(path: Path, root: Path) -> bool:
    """Whether a file is there, and in this folder whatever links lead to it."""
    try:
        return path.is_file() and path.resolve().is_relative_to(root.resolve())
    except OSError:  # such as a name that is too long
        return False
