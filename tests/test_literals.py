"""The rules about what stands in one place alone: words of operators, dtypes, and text that becomes code."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from archc.operators import OPERATORS
from archc.passes import Pass
from tests.test_policy import python_files

# Words of operators that may stand in quotes outside `archc/operators`, where, and why.
ANYWHERE = {
    "identity",  # a word of the grammar as well, for a shortcut; and what a residual block's `shortcut` may be
    "mean",  # torch.nn.init's and NumPy's name of an average
}
GAINS = {
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
}  # of torch.nn.init.calculate_gain
QUOTED = {
    "archc/ir/initializers.py": GAINS,
    "archc/weights/sampling.py": GAINS,
    "archc/elaborate/likely.py": {"layer_norm", "rms_norm", "linear"},  # what the warning is about
    "archc/elaborate/moved.py": {"rearrange"},  # the same
    "archc/blocks/_residual.py": {"norm"},  # the field of that name
    "archc/blocks/conv_norm_act.py": {"norm"},
    "archc/ejection/expressions.py": {"sqrt"},  # of Python's math
    "archc/ejection/initial.py": {"parameter"},  # a tensor of a module
    "archc/ejection/inlined.py": {"parameter", "permute", "flatten"},  # PyTorch's
    "archc/lifting/onnx_operators.py": {"linear"},  # a mode of Resize
    "archc/compare/keys.py": {"parameter"},  # a tensor of a module
    "archc/lifting/functions.py": set(OPERATORS),  # functions of PyTorch, most of which have the operators' names
    "archc/lifting/named.py": set(OPERATORS),  # the same
    "archc/lifting/compositions.py": {"sum", "repeat_interleave"},  # functions of PyTorch
    "archc/lifting/initialisation.py": GAINS,
    "archc/lifting/masks.py": {"add", "mul"},  # functions of PyTorch
    "archc/ir/verifier.py": {"parameter"},  # a tensor of a graph
    "archc/spec/language/arithmetic.py": {"sqrt", "abs"},  # functions of expressions
    "archc/spec/repair/pytorch.py": {"pad", "softmax"},  # what PyTorch's other words mean
    "exporters/onnx/options.py": {"fold"},  # the flag that folds batch norms
}

# Where text becomes code: classes from generated source, constructors' arguments, and expressions of operators.
EVALUATING = {"archc/ejection/checking.py", "archc/nn/codegen.py", "archc/nn/prototypes.py", "archc/nn/interpreter.py"}


def literals(path: Path) -> set[str]:
    """The texts in quotes of a file, without docstrings and the names in `__all__`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    values = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
    return {node.value for node in values if isinstance(node.value, str)}


def source_files(repository: Path) -> Iterator[tuple[str, Path]]:
    for path in python_files(repository, "archc", "exporters"):
        yield path.relative_to(repository).as_posix(), path


def test_no_operator_s_word_stands_in_quotes_outside_the_operators(repository: Path) -> None:
    found = {
        name: (literals(path) & set(OPERATORS)) - ANYWHERE - QUOTED.get(name, set())
        for name, path in source_files(repository)
        if not name.startswith("archc/operators/")
    }
    assert {name: words for name, words in found.items() if words} == {}


def test_dtypes_are_listed_in_one_place(repository: Path) -> None:
    names = {"float16", "bfloat16", "float32", "float64", "int8", "uint8", "int32", "int64"}
    found = {name: literals(path) & names for name, path in source_files(repository) if name != "archc/ir/dtype.py"}
    assert {name: dtypes for name, dtypes in found.items() if dtypes} == {}


def test_text_becomes_code_in_three_files_alone(repository: Path) -> None:
    calls = {
        name
        for name, path in source_files(repository)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id in ("eval", "exec")
    }
    assert calls == EVALUATING


def test_passes_are_run_by_their_runner_alone(repository: Path) -> None:
    """So that every pass's result is verified: nothing else looks at a pass's function."""
    names = {path.stem for path in (repository / "archc/passes").glob("*.py")} - {"__init__", "run"}
    for name in names:
        record = getattr(import_module(f"archc.passes.{name}"), name)
        assert isinstance(record, Pass), f"{name} is no pass"
        assert record.name == name
    for name, path in source_files(repository):
        called = {
            node.value.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr == "run"
        }
        assert called & names == set(), name
