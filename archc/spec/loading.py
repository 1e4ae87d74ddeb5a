"""Files -> specs, with the shared files that they use."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import replace
from pathlib import Path
from typing import Any

from archc.diagnostics import Source, SpecError, did_you_mean
from archc.spec.bundled import specs_folder
from archc.spec.document import Spec
from archc.spec.dump import dump
from archc.spec.loader import load, read_source
from archc.spec.parsing import parse_library, parse_spec
from archc.spec.tree import Mapping, Scalar, Tree, plain


def load_spec(path: str | Path) -> Spec:
    """Read a spec and the shared files under its `use`. Raises SpecError with every problem of a file."""
    source = read_source(path)
    return parse_text(source, Path(path).parent)


def parse_text(source: Source, folder: Path) -> Spec:
    """A spec from its text; shared files are looked for in `folder`, then among the bundled specs. Raises SpecError."""
    spec, files = parse_spec(load(source), source)
    if not files:
        return spec
    blocks = {name: block for file in files for name, block in parse_library(_library(file, folder)).items()}
    unused = {name: block for name, block in blocks.items() if name not in spec.blocks}
    return replace(spec, blocks={**unused, **spec.blocks})


def resolved_text(path: str | Path, settings: MappingType[str, str]) -> str:
    """The text of a spec that needs nothing else: settings as defaults, shared blocks written out.

    It is read back as the same network. Comments are not kept. Raises SpecError, UsageError.
    """
    source = read_source(path)
    tree = load(source)
    spec, files = parse_spec(tree, source)
    assert isinstance(tree, Mapping), "parse_spec accepted it"
    data: dict[str, Any] = {key: plain(entry.value) for key, entry in tree.entries.items() if key != "use"}
    spec.resolve(settings)
    for name, text in settings.items():
        data["parameters"][name] = f"{spec.parameters[name].type} = {text}"
    if files:
        shared: dict[str, Any] = {}
        for file in files:
            library = plain(_library(file, Path(path).parent))
            assert isinstance(library, dict), "parse_library accepted it"
            shared |= library["blocks"]
        data["blocks"] = {**shared, **data.get("blocks", {})}
    return dump(data)


def _library(file: Scalar, folder: Path) -> Tree:
    """The tree of a shared file. Raises SpecError: it leaves both folders, or is in neither."""
    name = file.text
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise SpecError(
            f"a shared file lies beside the spec, so '{name}' is refused", code="bad-path", span=file.span
        )
    for root in (folder, specs_folder()):
        path = (root / name).resolve()
        if path.is_relative_to(root.resolve()) and path.is_file():
            return load(read_source(root / name))
    available = [str(p.relative_to(specs_folder())) for p in specs_folder().glob("blocks/*.yaml")]
    help = did_you_mean(name, available)
    raise SpecError(f"there is no shared file '{name}'", code="unreadable", span=file.span, help=help)
