"""Files -> specs, with the shared files that they use.

load_spec(path) -> Spec
load_file(path) -> Parsed
parse_text(source, folder) -> Spec
resolved_text(path, settings, outputs) -> str
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from archc.diagnostics import MAX_PROBLEMS, Source, SpecError, did_you_mean
from archc.spec.bundled import specs_folder
from archc.spec.language.document import BlockDefinition, Spec
from archc.spec.language.parsing import Parsed, parse_library, parse_spec
from archc.spec.tree import Mapping, Scalar, Tree, plain
from archc.spec.yaml.loader import compose, load, read_source


def load_spec(path: str | Path) -> Spec:
    """Read a spec and the shared files under its `use`. Raises SpecError with every problem of all of them."""
    return parse_text(read_source(path), Path(path).parent)


def load_file(path: str | Path) -> Parsed:
    """Read a spec with its shared files, or a shared file alone (it has the key `blocks` only), as far as possible.

    Raises: SpecError: it cannot be read at all.
    """
    tree, problems = compose(read_source(path))
    if isinstance(tree, Mapping) and set(tree.entries) == {"blocks"}:
        return parse_library(tree, problems)
    return _with_shared(parse_spec(tree, problems), Path(path).parent)


def parse_text(source: Source, folder: Path) -> Spec:
    """A spec from its text; shared files are looked for in `folder`, then among the bundled specs.

    Raises: SpecError: with every problem of the spec and its shared files.
    """
    return _whole(_with_shared(parse_spec(*compose(source)), folder))


def resolved_text(path: str | Path, settings: MappingType[str, str], outputs: Sequence[str] = ()) -> str:
    """The text of a spec that needs nothing else: settings as defaults, shared blocks written out, and these outputs.

    It is read back as the same network. Comments are not kept. Raises SpecError, UsageError.
    """
    from archc.spec.format import format_document

    tree = load(read_source(path))
    parsed = parse_spec(tree)
    spec = _whole(parsed)
    spec.resolve(settings)
    data = _data(tree)
    data.pop("use", None)
    if outputs:
        data["outputs"] = list(outputs)
    for name, text in settings.items():
        data["parameters"][name] = f"{spec.parameters[name].type} = {text}"
    shared: dict[str, Any] = {}
    roots = _roots(Path(path).parent)
    for file in dict.fromkeys(_find(file, roots) for file in reversed(parsed.files)):
        library, problems = compose(read_source(file))
        _whole(parse_library(library, problems))
        shared = {**_data(library)["blocks"], **shared}
    if shared:
        data["blocks"] = {**shared, **data.get("blocks", {})}
    return format_document(data)


def _with_shared(parsed: Parsed, folder: Path) -> Parsed:
    """With the blocks of its shared files; its own of the same name go before them."""
    blocks: dict[str, BlockDefinition] = {}
    problems, complete = list(parsed.problems), parsed.complete
    read: dict[Path, Parsed] = {}
    roots = _roots(folder)
    for file in parsed.files:
        if len(problems) >= MAX_PROBLEMS:
            complete = False
            break
        try:
            name = Path(file.text)
            if name not in read:
                read[name] = parse_library(*compose(read_source(_find(file, roots))))
                problems += read[name].problems
        except SpecError as error:
            problems += error.diagnostics
            complete = False
        else:
            blocks |= read[name].spec.blocks
    complete = complete and all(library.complete for library in read.values())
    spec = replace(parsed.spec, blocks={**blocks, **parsed.spec.blocks})
    return replace(parsed, spec=spec, problems=tuple(problems), complete=complete)


def _whole(parsed: Parsed) -> Spec:
    """The spec. Raises SpecError: something is wrong with it."""
    if parsed.problems:
        raise SpecError(parsed.problems)
    return parsed.spec


def _data(tree: Tree) -> dict[str, Any]:
    data = plain(tree)
    assert isinstance(data, dict), "it was parsed before"
    return data


def _roots(folder: Path) -> dict[Path, Path]:
    """Where shared files are looked for -> the same without links."""
    return {root: root.resolve() for root in (folder, specs_folder())}


def _find(file: Scalar, roots: MappingType[Path, Path]) -> Path:
    """The path of a shared file. Raises SpecError: it leaves the folders, or is in neither."""
    name = file.text
    if Path(name).is_absolute() or ".." in Path(name).parts or not name.isprintable():
        help = "a shared file lies in the spec's folder or among the bundled specs"
        raise SpecError(f"the path '{name}' is refused", code="bad-path", span=file.span, help=help)
    for root, resolved in roots.items():
        if _lies_within(root / name, resolved):
            return root / name
    available = [path.relative_to(specs_folder()).as_posix() for path in specs_folder().glob("blocks/*.yaml")]
    help = did_you_mean(name, available) or "a shared file lies in the spec's folder or among the bundled specs"
    raise SpecError(f"there is no shared file '{name}'", code="unreadable", span=file.span, help=help)


def _lies_within(path: Path, root: Path) -> bool:
    """True if a file is there, and in this folder whatever links lead to it."""
    try:
        return path.is_file() and path.resolve().is_relative_to(root)
    except OSError:  # such as a name that is too long
        return False
