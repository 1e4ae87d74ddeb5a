"""Runs a module once on meta tensors, and records which operators it calls in which of its modules.

Parameters and inputs have no memory. What is computed from neither, such as a window mask, is computed on the CPU, so
that its values are known.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from archc.compare.outputs import tensors
from archc.compare.watch import line
from archc.elaborate.cutting import output_name
from archc.ir.operator import Operator, ShapeError
from archc.ir.types import BATCH, TensorType
from archc.lifting import axes as ax
from archc.lifting.functions import FUNCTIONS, MOVES, NORMS, SAME
from archc.lifting.masks import PRODUCTS, Masks
from archc.lifting.modules import NoWord, drop_path, operator_of
from archc.lifting.records import BATCH_SIZE, Trace, sizes
from archc.lifting.values import Values
from archc.operators.regularization import StochasticDepth

FACTORIES = ("new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like")


def trace(module: nn.Module, inputs: Mapping[str, Sequence[int]], *, training: bool = True) -> Trace:
    """The calls of one run on inputs of these shapes, without the batch. The module stays as it is.

    Raises: whatever the module's own code raises.
    """
    copied = _without_memory(module).train(training)
    tracer = Tracer(copied)
    given = [tracer.input(name, shape) for name, shape in inputs.items()]
    call = nn.Module.__call__
    nn.Module.__call__ = lambda self, *args, **kwargs: tracer.call(call, self, args, kwargs)  # type: ignore[method-assign]
    try:
        with tracer, torch.no_grad():
            result = copied(*given)
            tracer.finish(result)
    finally:
        nn.Module.__call__ = call  # type: ignore[method-assign]
    return tracer.trace


def _without_memory(module: nn.Module) -> nn.Module:
    """A copy whose parameters are on the meta device; buffers keep their values."""
    memo: dict[int, Any] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in module.parameters()
    }
    return copy.deepcopy(module, memo)


class Tracer(Values, TorchFunctionMode):
    """Sees every call of a module and of a function of PyTorch."""

    def __init__(self, module: nn.Module) -> None:
        TorchFunctionMode.__init__(self)
        Values.__init__(self, module)
        self._paths: dict[int, str] = {}
        for path, each in module.named_modules():
            self._paths[id(each)] = path
            self.trace.kinds[path] = type(each)
        self._inside = 0
        self._masks = Masks()

    def call(
        self, original: Callable[..., Any], module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A call of a module."""
        path = self._paths.get(id(module))
        if self._inside or path is None:
            return original(module, *args, **kwargs)
        self.trace.calls[path] = self.trace.calls.get(path, 0) + 1
        if len(args) == 1 and not kwargs and isinstance(args[0], torch.Tensor) and self.knows(args[0]):
            done, out = self._layer(original, module, path, args[0])
            if done:
                return out
        count = self.trace.calls[path]
        self._scopes.append(path if count == 1 else f"{path}@{count}")
        try:
            return original(module, *args, **kwargs)
        finally:
            self._scopes.pop()

    def _layer(self, original: Callable[..., Any], module: nn.Module, path: str, x: torch.Tensor) -> tuple[bool, Any]:
        """The result of a module that is one operator; False if it is not."""
        rate = drop_path(module)
        apparent = self._apparent(x)
        try:
            with self.quiet():
                operator = StochasticDepth.model_validate(rate) if rate is not None else operator_of(module, apparent)
                if operator is None:
                    return False, None
                out = self._result(module, operator, x)
            below = f"{path}." if path else ""
            tensors = {name: below + name for name in operator.tensors if getattr(module, name, None) is not None}
            self.apply(operator, x, out, path=path, tensors=tensors)
        except NoWord as error:
            self._miss(str(error))
            with self.quiet():
                return True, self._unknown(original(module, tree_map(_meta, x)))
        return True, out

    def _apparent(self, x: torch.Tensor) -> TensorType:
        """The type that a layer sees: what the batch is merged with is images to it."""
        if ax.merges_batch(self.view(x).axes[:1]):
            return TensorType((BATCH, *x.shape[1:]))
        try:
            return self.trace.types[self.unmerged(x)]
        except NoWord:
            return self.trace.types[self.view(x).base]

    def _result(self, module: nn.Module, operator: Operator, x: torch.Tensor) -> torch.Tensor:
        """A tensor of the shape that a layer gives; what overwrites its input gives that."""
        if getattr(module, "inplace", False):
            return x
        if ax.merges_batch(self.view(x).axes):
            buffers = {name: _meta(buffer) for name, buffer in module.named_buffers()}
            out: torch.Tensor = functional_call(module, buffers, _meta(x))
            return x.view(x.shape) if out is x else out
        try:
            (type, *_), _ = operator.typed(self.trace.types[self.value(x)])
        except ShapeError as error:
            raise NoWord(f"{operator.word} {error.message}") from None
        whole = sizes(type)
        if x.shape[0] == BATCH_SIZE and whole[0] == 1:  # it was repeated over the batch
            whole[0] = BATCH_SIZE
        return torch.empty(whole, device="meta")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """A call of a function or method of PyTorch."""
        kwargs = dict(kwargs or {})
        if self._inside:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", str(func)).strip("_")
        name = name if name != "get" else getattr(getattr(func, "__self__", None), "__name__", name)
        given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
        data = [each for each in given if self.knows(each) or isinstance(each, nn.Parameter)]
        if not data and name in MOVES and self._keys.get(id(given[0] if given else None)) in self._persistent:
            data = given  # a buffer with a key is a source, whatever is made of it
        if not data or name in FACTORIES:
            return self._constant(func, name, args, kwargs)
        with self.quiet():
            moved = tree_map(_meta, (args, kwargs))
            out = torch.empty_like(moved[0][0]) if name in NORMS and args else func(*moved[0], **moved[1])
        if not any(isinstance(each, torch.Tensor) for each in tree_flatten(out)[0]):
            return out
        out = _restored(out, args, moved[0])
        return self._recorded(func, name, args, kwargs, out)

    def _recorded(self, func: Any, name: str, args: Any, kwargs: Any, out: Any) -> Any:
        handler = FUNCTIONS.get(name)
        try:
            if name in PRODUCTS and self._masks.apply(self, args, out):
                return out
            if name in SAME:
                self.alias(out, args[0])
                return out
            if handler is not None and handler(self, args, kwargs, out):
                return out
            if hasattr(func, "__code__"):
                with self:  # what it calls may be known
                    return _without_overrides(func)(*args, **kwargs)
            raise NoWord(name)
        except (NoWord, ValidationError) as error:
            self._miss(told(name, error))
            return tree_map(lambda each: self._unknown(each) if isinstance(each, torch.Tensor) else each, out)

    def _constant(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """A function of constants alone is computed, on the CPU."""
        with self.quiet():
            if name in FACTORIES:
                args, kwargs = tree_map(lambda each: _empty(each) if each is args[0] else each, (args, kwargs))
            if str(kwargs.get("device", "")).startswith("meta"):
                kwargs["device"] = "cpu"
            if name == "to" and any(isinstance(each, torch.device) and each.type == "meta" for each in args):
                return args[0]
            out = func(*args, **kwargs)
            self._masks.see(name, args, out)
            return out

    def _miss(self, what: str) -> None:
        where = self._scopes[-1].partition("@")[0]
        called = line()
        at = f", called at {called}" if called else f" ({place(self.trace.kinds[where])})"
        self.trace.unknown.setdefault(what, f"{where or 'the network'}{at}")

    def _unknown(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor of which nothing is known but its shape, so that the run goes on."""
        shape = tuple(tensor.shape)
        batched = shape[:1] == (BATCH_SIZE,)
        self.new(TensorType((BATCH, *shape[1:]) if batched else shape), tensor)
        return tensor

    def again(self, function: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The result of a function that is recorded as if the module called it."""
        with self:
            found: torch.Tensor = function(*args, **kwargs)
        return found

    def finish(self, result: Any) -> None:
        """Take what the run returned."""
        for each, tensor in tensors(result):
            name = output_name(f"output.{each}" if each.partition(".")[0].isdecimal() else each or "output")
            if not self.knows(tensor):
                raise NoWord(f"an output that does not depend on the input: {name}")
            self.trace.outputs[name] = self.value(tensor)

    def quiet(self) -> _Quiet:
        """While it lasts nothing is recorded."""
        return _Quiet(self)


class _Quiet:
    """While it lasts nothing is recorded."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def __enter__(self) -> None:
        self._tracer._inside += 1

    def __exit__(self, *_: object) -> None:
        self._tracer._inside -= 1


def told(name: str, error: NoWord | ValidationError) -> str:
    """What the language cannot say: the function, where an operator refused a field."""
    if isinstance(error, NoWord):
        return str(error)
    first = error.errors()[0]
    return f"{name}: {'.'.join(map(str, first['loc']))} {first['msg'].removeprefix('Value error, ')}"


def _without_overrides(function: Any) -> Any:
    """A function of PyTorch that does not ask, before anything else, whether a mode replaces it as a whole."""
    asked = {name: lambda *_: False for name in function.__globals__ if name.startswith("has_torch_function")}
    scope = {**function.__globals__, **asked}
    return FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)


def _meta(each: Any) -> Any:
    return each.to("meta") if isinstance(each, torch.Tensor) and each.device.type != "meta" else each


def _empty(each: Any) -> Any:
    return torch.zeros(each.shape, dtype=each.dtype) if isinstance(each, torch.Tensor) else each


def _restored(out: Any, args: Any, moved: Any) -> Any:
    """In place of a copy on the meta device the tensor that it was made of, where a function returns its input."""
    originals = {id(copied): given for copied, given in zip(moved, args, strict=True)}
    return originals.get(id(out), out)


def place(kind: type) -> str:
    """Where a class is defined: file and line."""
    try:
        return f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}"
    except (OSError, TypeError):
        return kind.__module__
