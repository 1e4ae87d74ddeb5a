"""The records of operators: the index of their words, their texts for PyTorch, and facts against what PyTorch does."""

import ast
from importlib import import_module
from pathlib import Path

import pytest
import torch

import archc.operators
from archc.ir.operator import IMAGE, Operator
from archc.nn.codegen import NAMESPACE
from archc.nn.prototypes import new_layer
from archc.operators import OPERATORS, is_join, known_elsewhere, operator_model
from tests.operators.cases import CASES, Case

FAMILIES = sorted(path.stem for path in Path(archc.operators.__file__).parent.glob("[a-z]*.py"))
ON_IMAGES = [case for case in CASES if case.shapes == (IMAGE,)]


def test_the_index_that_is_read_from_the_files_is_what_their_classes_say() -> None:
    modules = [import_module(f"archc.operators.{family}") for family in FAMILIES]
    models = [
        model
        for module in modules
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, Operator) and model.__module__ == module.__name__
        if "word" in vars(model)
    ]
    assert tuple(model.word for model in models) == OPERATORS
    assert [operator_model(model.word) for model in models] == models
    others = {other for model in models for other in model.elsewhere}
    assert known_elsewhere() == {
        other: tuple(model.word for model in models if other in model.elsewhere) for other in others
    }


def test_joins_are_the_operators_that_take_branches() -> None:
    assert {word for word in (*OPERATORS, "layer1", "basic") if is_join(word)} == {
        "sum",
        "product",
        "quotient",
        "matmul",
        "concat",
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_pytorch_is_given_is_made_of_plain_values_alone(case: Case) -> None:
    """Nothing that a spec says can become code: each value in the text is a literal."""
    operator = case.operator
    names = [f"x{index}" for index in range(len(case.types))]
    tree = ast.parse(operator.torch_source(case.types, names, "own"), mode="eval")
    literals = (ast.Constant, ast.Tuple, ast.List, ast.UnaryOp, ast.USub, ast.Load)
    code = (ast.Expression, ast.Call, ast.keyword, ast.Attribute, ast.BinOp, ast.Add, ast.Mult, ast.MatMult, ast.Div)
    index = (ast.Subscript, ast.Slice)
    allowed = {"own", *names, *NAMESPACE, "nn", "layers"}
    for node in ast.walk(tree):
        assert isinstance(node, (*literals, *code, *index)) or (isinstance(node, ast.Name) and node.id in allowed), (
            ast.dump(node)
        )


@pytest.mark.parametrize("case", [case for case in CASES if not case.operator.needs_output], ids=str)
def test_an_output_that_backward_does_not_need_can_be_overwritten(case: Case) -> None:
    inputs = [torch.from_numpy(x).requires_grad_() for x in case.inputs()]
    module = case.network(followed=False).module()
    for overwrite in (False, True):
        output = module(*inputs)
        if overwrite:
            output.mul_(0.0).add_(output)  # PyTorch raises an error in `backward` if it kept the output
        output.sum().backward()


@pytest.mark.parametrize("case", [case for case in ON_IMAGES if case.operator.in_place], ids=str)
def test_what_works_in_place_has_a_switch_for_it(case: Case) -> None:
    assert new_layer(case.node()).inplace is False


@pytest.mark.parametrize("case", [case for case in CASES if case.operator.scaled_by is not None], ids=str)
def test_a_linear_map_is_linear_along_its_axis(case: Case) -> None:
    """What scales one filter, doubled, doubles its part of the output, and nothing else.

    It has a bias, or can be given one.
    """
    network = case.network()
    module = network.inference_module().double()
    (x,) = (torch.from_numpy(x).double() for x in case.inputs())
    before = module(x)
    (path,) = {parameter.path.rpartition(".")[0] for parameter in network.graph.parameters()}
    layer = module.get_submodule(path)
    axis = case.operator.linear_axis
    assert axis is not None
    factors = torch.ones(before.shape[axis]).double()
    factors[0] = 2
    with torch.no_grad():
        for name in {case.operator.scaled_by or "", "bias"} & dict(layer.named_parameters()).keys():
            tensor = layer.get_parameter(name)
            own, shape = case.operator.per_filter(tuple(tensor.shape)) if tensor.ndim > 1 else ((-1,), (-1,))
            tensor.view(own).mul_(factors.reshape(shape))
    assert before.ne(0).all(dim=0).any()
    doubled = before.movedim(axis, -1) * factors
    torch.testing.assert_close(module(x), doubled.movedim(-1, axis))
    with_bias = case.operator.model_copy(update={"bias": True})
    assert [weight.name for weight in with_bias.weights(*case.types)][:2] == ["weight", "bias"]


STANDARDIZED = [case for case in CASES if case.fields.get("standardize") is not None]


@pytest.mark.parametrize("case", STANDARDIZED, ids=str)
def test_the_scale_and_mean_of_filters_that_are_standardised_do_not_matter(case: Case) -> None:
    module = case.network().inference_module().double()
    (x,) = (torch.from_numpy(x).double() for x in case.inputs())
    layer = module.get_submodule(case.word)
    with torch.no_grad():
        weight = layer.get_parameter("weight").mul_(1e6)  # where epsilon does not show
        before = module(x)
        weight.mul_(-3.0).add_(2e7)
    bias = layer.bias.reshape(-1, *[1] * (x.ndim - 2)) if isinstance(layer.bias, torch.Tensor) else 0.0
    torch.testing.assert_close(module(x), 2 * bias - before)


ACTIVATIONS = [case for case in CASES if case.operator.operating_point() and not case.graph().nodes[0].parameters]
HARD = [case for case in ACTIVATIONS if case.word.startswith("hard") or case.word == "relu6"]


@pytest.mark.parametrize("case", ACTIVATIONS, ids=str)
def test_an_activation_at_its_operating_point_is_bent_and_multiplies_no_errors(case: Case) -> None:
    """Part of its output's variance is no linear function of the input, and relative errors hardly grow.

    A function f multiplies them by sqrt(E f'(x)^2 Var(x) / Var f(x)): 1.21 for a ReLU and inputs of mean zero.
    """
    mean, deviation = case.operator.operating_point() or (0.0, 1.0)
    normal = torch.distributions.Normal(0.0, 1.0).icdf(torch.arange(1, 4001, dtype=torch.float64) / 4001)
    x = (mean + deviation * normal).reshape(-1, 1).requires_grad_()
    y = case.network().inference_module().double()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    growth = (slope.square().mean() * x.var() / y.var()).sqrt()
    correlation = torch.corrcoef(torch.stack([x, y]).squeeze(-1))[0, 1]
    assert growth.item() < 1.1
    assert correlation.item() < 0.9995


@pytest.mark.parametrize("case", HARD, ids=str)
def test_an_operating_point_reaches_beyond_both_bounds(case: Case) -> None:
    mean, deviation = case.operator.operating_point() or (0.0, 1.0)
    fields = case.operator.model_dump()
    known = {"relu6": (0, 6), "hardswish": (-3, 3), "hardsigmoid": (-3, 3)}
    low, high = known.get(case.word) or (fields["min_val"], fields["max_val"])
    assert mean - 2.5 * deviation <= low < high <= mean + 2.5 * deviation
