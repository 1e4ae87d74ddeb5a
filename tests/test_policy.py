"""The rules of the code base, as far as a program can check them."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import archc

# Which parts of archc each part may import, at module level or inside functions. Imports point down.
MAY_IMPORT = {
    "version": "",
    "diagnostics": "",
    "files": "diagnostics",
    "spec": "diagnostics files operators",
    "ir": "diagnostics",
    "operators": "ir",
    "blocks": "diagnostics ir operators",
    "elaborate": "blocks diagnostics ir operators spec",
    "differences": "ir",
    "passes": "diagnostics ir operators",
    "nn": "diagnostics ir operators",
    "weights": "diagnostics files ir nn",
    "ejection": "blocks diagnostics elaborate ir nn operators spec version weights",
    "exporting": "diagnostics files ir weights",
    "exporters": "diagnostics exporting files ir operators passes version weights",
    "verification": "diagnostics elaborate exporting files ir nn spec version weights",
    "compare": "diagnostics ir nn",
    "reference": "blocks diagnostics ir operators spec",
    "lifting": "blocks compare diagnostics elaborate files ir nn operators spec weights",
    "builds": "diagnostics differences ejection elaborate exporting files ir lifting spec verification version weights",
    "cli": "builds compare diagnostics differences exporting ir lifting reference spec version",
    "api": "builds compare diagnostics differences exporting ir lifting verification",
    "archc": "api diagnostics version",
    "__main__": "cli",
}

# Which other packages each part may import when it is imported itself ...
EAGER = {
    "spec": "pydantic yaml",
    "ir": "pydantic",
    "operators": "pydantic",
    "blocks": "pydantic",
    "reference": "pydantic",
    "elaborate": "pydantic",
    "exporting": "pydantic",
    "exporters": "pydantic",
    "builds": "pydantic",
    "cli": "pydantic typer",
    "weights": "numpy",
    "ejection": "pydantic torch",
    "lifting": "pydantic safetensors torch",
    "nn": "numpy torch",
    "verification": "numpy torch",
    "compare": "numpy torch",
}
# ... and which only inside a function.
LAZY = {
    "cli": "rich",
    "builds": "netron",
    "weights/checkpoint.py": "torch",
    "lifting": "onnx",
    "verification/given.py": "PIL",
    "exporters": "google numpy onnx onnxruntime torch",
}

# Texts with flags of a command line outside `cli`, and why.
FLAGS_OF_OTHERS = {
    "archc/reference/schema.py": "the schema tells authors of specs, who use the command line",
    "exporters/onnx/exporter.py": "the flags are those of trtexec, as a line to copy",
}

VAGUE_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "managers",
    "handler",
    "handlers",
    "common",
    "misc",
}
PRINTS = re.compile(r"(^|\.)(print|pprint|echo|secho)$|(stdout|stderr)(\.buffer)?\.write(lines)?$|^os\.write$")
NOT_OURS = {".git", ".hypothesis", ".venv", "build", "dist", "__pycache__", "node_modules"}


def python_files(repository: Path, *folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (repository / folder).rglob("*.py"))


def imports(node: ast.AST, lazy: bool = False) -> Iterator[tuple[str, bool]]:
    """Every module imported at run time, and whether it is imported inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from ((alias.name, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            names = [child.module] if child.module != "archc" else [f"archc.{alias.name}" for alias in child.names]
            yield from (("." * child.level + (name or ""), lazy) for name in names)
        yield from imports(child, lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def forbidden_imports(path: Path, part: str) -> list[str]:
    """The imports of a file that the tables above do not allow."""
    eager, lazy = set(EAGER.get(part, "").split()), set(LAZY.get(part, "").split())
    lazy |= set(LAZY.get(f"{part}/{path.name}", "").split())
    found = []
    for module, inside_function in imports(ast.parse(path.read_text(encoding="utf-8"))):
        package, _, rest = module.partition(".")
        target = rest.split(".")[0]
        if package == "archc":
            # `from archc import __version__`: the package itself.
            target = target if target in MAY_IMPORT else "archc"
            allowed = target == part or target in MAY_IMPORT[part].split()
        elif package == "":
            allowed = part == "exporters"  # only there, where the absolute name depends on the installation
        else:
            allowed = package in sys.stdlib_module_names | eager | (lazy if inside_function else set())
        if not allowed:
            found.append(f"{part}/{path.name} imports {module}{'' if inside_function else ' at module level'}")
    return found


def test_no_module_takes_the_place_of_a_public_function() -> None:
    # Importing archc.x sets the attribute `x` of archc, whatever it was.
    assert set(MAY_IMPORT) & set(archc.__all__) == set()


def test_imports_point_down_and_frameworks_are_imported_only_where_they_are_needed(repository: Path) -> None:
    found = []
    for path in python_files(repository, "archc", "exporters"):
        top, *rest = path.relative_to(repository).parts
        first = rest[0] if top == "archc" else top
        part = "archc" if first == "__init__.py" else first.removesuffix(".py")
        assert part in MAY_IMPORT, f"{path} is a new part: say in the table what it may import"
        found += forbidden_imports(path, part)
    assert found == []


def test_the_page_on_the_structure_tells_who_may_import_whom(repository: Path) -> None:
    page = (repository / "docs" / "structure.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(?:archc/)?(\w+)(?:/|\.py)` \|.*\| ([\w ]*?) ?\|$", page, re.MULTILINE)
    allowed = {part: names for part, names in MAY_IMPORT.items() if part not in ("archc", "__main__")}
    assert {part: names for part, names in rows if part != "specs"} == allowed


def import_graph(repository: Path) -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports anywhere, those for type checkers included."""
    files = {
        ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__"): path
        for path in python_files(repository, "archc", "exporters")
    }
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names: list[str] = []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
                base = ".".join([*above, *filter(None, [node.module])])
                names += [name if (name := f"{base}.{alias.name}") in files else base for alias in node.names]
        found[module] = {name for name in names if name in files and name != module}
    return found


def room_graph(modules: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between folders; a file that lies beside folders is a room of its own."""
    packages = {module.rpartition(".")[0] for module in modules}
    parents = {package.rpartition(".")[0] for package in packages}

    def room(module: str) -> str:
        folder = module if module in packages else module.rpartition(".")[0]
        return module if folder in parents else folder

    rooms: dict[str, set[str]] = {}
    for module, imported in modules.items():
        rooms.setdefault(room(module), set()).update(room(other) for other in imported)
    return {name: others - {name} for name, others in rooms.items()}


@pytest.mark.parametrize(
    "top",
    [
        "archc",
        "exporters",
    ],
)
def test_neither_modules_nor_rooms_import_in_a_circle(repository: Path, top: str) -> None:
    modules = {name: found for name, found in import_graph(repository).items() if name.partition(".")[0] == top}
    for graph in (modules, room_graph(modules)):
        TopologicalSorter(graph).prepare()  # raises CycleError, which shows the circle


@pytest.mark.parametrize(("spec", "status"), [("name: broken\ninput: 3\n", 2), (None, 0)], ids=["broken", "fine"])
def test_check_imports_no_framework(tmp_path: Path, spec: str | None, status: int) -> None:
    target = "resnet18"
    if spec is not None:
        (tmp_path / "broken.yaml").write_text(spec)
        target = "broken.yaml"
    program = f"""
import sys
sys.argv = ["archc", "check", {target!r}]
from archc.cli import main
try:
    main()
except SystemExit as exit:
    print(exit.code or 0)
print(sorted({{"torch", "onnx", "onnxruntime", "numpy", "rich"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-2:] == [str(status), "[]"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "resnet18"],
        ["summary", "resnet18"],
        ["schema"],
        ["list"],
        ["build", "lenet5"],
        ["export", "lenet5", "--onnx", "--no-verify"],
        ["export", "lenet5", "--onnx", "--no-verify", "--weights", "build/lenet5/model.safetensors", "-o", "given"],
    ],
    ids=" ".join,
)
def test_torch_is_not_on_the_way(tmp_path: Path, arguments: list[str]) -> None:
    build = [sys.executable, "-m", "archc", "build", "lenet5"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    program = f"""
import sys
from archc.cli import run
assert run({arguments!r}) == 0
assert not {{"torch", "onnxruntime"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)


def test_one_module_prints(repository: Path) -> None:
    found = []
    for path in python_files(repository, "archc", "exporters"):
        if path.relative_to(repository) == Path("archc/cli/output.py"):
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        printing = [call for call in calls if PRINTS.search(ast.unparse(call.func))]
        found += [f"{path.relative_to(repository)}:{call.lineno}: {ast.unparse(call)}" for call in printing]
    assert found == []


def test_the_packages_in_pyproject_are_the_folders(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    folders = {path.parent.relative_to(repository).parts for path in python_files(repository, "archc", "exporters")}
    names = {".".join(parts if parts[0] == "archc" else ("archc", *parts)) for parts in folders} | {"archc.specs"}
    assert project["tool"]["setuptools"]["packages"] == sorted(names)


def test_mutation_testing_names_files_and_tests_that_exist(repository: Path) -> None:
    settings = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["mutmut"]
    # In its copy the exporters lie inside archc.
    mutated = [pattern.replace("archc/exporters/", "exporters/") for pattern in settings["only_mutate"]]
    names = [*mutated, *settings["pytest_add_cli_args_test_selection"]]
    assert [name for name in names if not list(repository.glob(name))] == []


def test_every_package_of_archc_has_an_init_file(repository: Path) -> None:
    folders = {path.parent for path in python_files(repository, "archc", "exporters")}
    assert [folder.name for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_file_is_longer_than_400_lines(repository: Path) -> None:
    lengths = {
        path.relative_to(repository).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files(repository, "archc", "exporters", "tests")
    }
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_every_module_says_what_it_is_for(repository: Path) -> None:
    files = python_files(repository, "archc", "exporters")
    assert [path.name for path in files if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


def test_no_module_has_a_name_that_says_nothing(repository: Path) -> None:
    files = python_files(repository, "archc", "exporters")
    assert [path.name for path in files if VAGUE_NAMES & {*path.parent.parts[-2:], *path.stem.split("_")}] == []


def texts(node: ast.AST) -> Iterator[str]:
    """Every text of a module but docstrings; what is formatted into one is a pair of braces."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in child.values)  # type: ignore[misc]
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        elif not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            yield from texts(child)


def test_only_the_command_line_names_flags(repository: Path) -> None:
    # A message for a Python caller names the keyword: see archc/diagnostics/options.py.
    flag = re.compile(r"(?<![\w-])--[a-z{]|(?<![\w\-}])-[a-z]\b")
    found = {
        path.relative_to(repository).as_posix(): text
        for path in python_files(repository, "archc", "exporters")
        if "cli" not in path.relative_to(repository).parts
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if flag.search(text)
    }
    assert {path: text for path, text in found.items() if path not in FLAGS_OF_OTHERS} == {}
    assert found.keys() == FLAGS_OF_OTHERS.keys(), "an exception is needed no more"


def test_imports_between_exporters_are_relative(repository: Path) -> None:
    # A package there may be called `onnx` or `torch`: an absolute import of that name is always the framework.
    names = {path.name for path in (repository / "exporters").iterdir()}
    assert {"onnx", "torch"} <= names
    for path in python_files(repository, "exporters"):
        modules = [module for module, _ in imports(ast.parse(path.read_text(encoding="utf-8")))]
        assert not [module for module in modules if module.startswith(("exporters", "archc.exporters"))], path


def test_no_file_names_a_registry_or_a_path_of_one_machine(repository: Path) -> None:
    # In pieces, so that this file passes its own test.
    hosts = ["pypi" + r"\.org", "python" + r"hosted\.org", "npm" + r"js\.org", "download" + r"\.pytorch\.org"]
    folders = ["home", "root", "Users", "opt", "tmp", "work"]
    pattern = re.compile("|".join(hosts) + rf"|(?<![\w.\-/{{}}])/(?:{'|'.join(folders)})/")
    found = []
    for path in sorted(repository.rglob("*")):
        inside = path.relative_to(repository)
        if path.is_file() and not any(
            part in NOT_OURS or part.endswith(("_cache", ".egg-info")) for part in inside.parts
        ):
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except UnicodeDecodeError:
                continue
            found += [f"{inside}:{number}: {line}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    assert found == []


@pytest.mark.parametrize(
    "tool",
    [
        ["ruff", "check", "--no-cache"],
        ["ruff", "format", "--check", "--no-cache"],
        ["mypy", "--no-error-summary"],
        ["pyright", "--pythonpath", sys.executable],
    ],
    ids=["ruff check", "ruff format", "mypy", "pyright"],
)
def test_linters_and_type_checkers_find_nothing(repository: Path, tool: list[str]) -> None:
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    result = subprocess.run(
        [sys.executable, "-m", *tool],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
