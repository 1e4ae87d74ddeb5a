"""Items of a random network that join other values: own tensors, attention, named values, shared items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from hypothesis import strategies as st

from archc.ir.types import TensorType
from tests.campaigns.random.operators import MOST_CHANNELS, Draw, Fields, divisors, infer, sizes

Item = Any
Items = list[Item]
MOST_TOKENS = 64


class Author(Protocol):
    """What an item is written with."""

    draw: Draw
    blocks: dict[str, Any]

    def name(self, kind: str) -> str:
        """A name that no other has."""
        ...

    def same_shape(self, x: TensorType, depth: int) -> Items:
        """Items that keep the shape."""
        ...

    def same_shape_in_a_block(self, x: TensorType, depth: int) -> tuple[Items, dict[str, str], Fields]:
        """Such items of a new block, with its parameters and the arguments of its call."""
        ...


Form = Callable[[Author, TensorType, int], tuple[Items, TensorType] | None]


def own_tensor(author: Author, x: TensorType, depth: int) -> tuple[Items, TensorType] | None:
    """A parameter or a constant that broadcasts to the value."""
    draw = author.draw
    if x.ndim < 2:
        return None
    shape = [draw(st.sampled_from([1, size])) for size in sizes(x)]
    shape = shape[draw(st.integers(0, len(shape) - 1)) :]
    word = draw(st.sampled_from(["sum", "product", "quotient"]))
    full = {"value": "full", "shape": shape, "fill_value": draw(st.sampled_from([0.5, 2.0, -1.5]))}
    if draw(st.booleans()):
        full |= {"name": author.name("item"), "persistent": draw(st.booleans())}
    source = {"constant": full} if word == "quotient" or draw(st.booleans()) else _parameter(author, shape)
    branches = ["identity", source]
    return [{word: branches if word == "quotient" else draw(st.permutations(branches))}], x


def _parameter(author: Author, shape: list[int]) -> Item:
    fields: Fields = {"shape": shape, "init": {"normal": {"std": 0.5}}}
    return {"parameter": {"name": author.name("item"), **fields} if author.draw(st.booleans()) else fields}


def beside(author: Author, x: TensorType, depth: int) -> tuple[Items, TensorType] | None:
    """A parameter beside the value along an axis, before or behind it, or the value beside itself."""
    draw = author.draw
    if x.ndim < 2:
        return None
    axis = draw(st.integers(1, x.ndim - 1))
    if sizes(x)[axis - 1] > MOST_CHANNELS:
        return None
    shape = [1, *sizes(x)]
    shape[axis] = draw(st.integers(1, 3))
    other = _parameter(author, shape) if draw(st.booleans()) else author.same_shape(x, depth)
    added = shape[axis] if isinstance(other, dict) else sizes(x)[axis - 1]
    size = sizes(x)[axis - 1] + added
    dim = draw(st.sampled_from([axis, axis - x.ndim]))
    branches = draw(st.permutations(["identity", other]))
    return [{"concat": {"dim": dim, "branches": branches}}], x.with_shape(*x.shape[:axis], size, *x.shape[axis + 1 :])


def attention(author: Author, x: TensorType, depth: int) -> tuple[Items, TensorType] | None:
    """Attention over tokens: in heads, between windows of an image, or as the value is."""
    draw = author.draw
    if x.ndim == 4:
        return _in_windows(author, x)
    if x.ndim != 3 or sizes(x)[0] > MOST_TOKENS:
        return None
    tokens, features = sizes(x)
    heads = draw(st.sampled_from([d for d in divisors(features) if d <= 4]))
    split: Fields = {"pattern": "b n (t h d) -> t b h n d", "t": 3, "h": heads}
    if draw(st.booleans()):
        split = {"pattern": "b n (h d t) -> t b h n d", "t": 3, "d": features // heads}
    picked = {name: {"select": {"dim": 0, "index": index}} for index, name in enumerate(("query", "key", "value"))}
    bias = _bias(author, heads, tokens)
    scale = {"scale": draw(st.sampled_from([0.1, 1.0]))} if draw(st.booleans()) else {}
    fields: Fields = {"out_features": 3 * features}
    if draw(st.booleans()):
        fields |= {"keys": {"weight": author.name("item"), "bias": author.name("item")}}
    return [
        {"linear": fields},
        {"rearrange": split},
        {"attention": {**picked, **bias, **scale}},
        {"rearrange": "b h n d -> b n (h d)"},
    ], x


def _bias(author: Author, heads: int, tokens: int) -> Fields:
    """No bias, a tensor, or rows of a table."""
    draw = author.draw
    chosen = draw(st.sampled_from(["none", "tensor", "table"]))
    if chosen == "tensor":
        shape = draw(st.sampled_from([[tokens, tokens], [heads, 1, tokens], [1, heads, tokens, tokens]]))
        return {"bias": _parameter(author, shape)}
    height = draw(st.sampled_from(divisors(tokens)))
    width = tokens // height
    if chosen == "none" or tokens > 36:
        return {}
    table = [(2 * height - 1) * (2 * width - 1), heads]
    index = {"value": "relative_position_index", "height": height, "width": width, "flat": draw(st.booleans())}
    if draw(st.booleans()):
        index |= {"name": author.name("item"), "persistent": True}
    pattern: Item = {"pattern": "(q k) h -> h q k", "q": tokens} if index["flat"] else "q k h -> h q k"
    return {"bias": [_parameter(author, table), {"gather": {"index": {"constant": index}}}, {"rearrange": pattern}]}


def _in_windows(author: Author, x: TensorType) -> tuple[Items, TensorType] | None:
    draw = author.draw
    channels, height, width = sizes(x)
    p, q = (draw(st.sampled_from([d for d in divisors(size) if d <= 8])) for size in (height, width))
    if draw(st.booleans()):  # the pixels of a window, or those at the same place of all windows
        cut, tokens = "b c (h p) (w q)", "b (h w) (p q) c"
    else:
        cut, tokens = "b c (p h) (q w)", "b (h w) (p q) c"
    branches = {name: {"linear": channels} for name in ("query", "key", "value") if draw(st.booleans())}
    held = {name: branches.get(name, "identity") for name in ("query", "key", "value")}
    return [
        {"rearrange": {"pattern": f"{cut} -> {tokens}", "p": p, "q": q}},
        {"attention": held},
        {"rearrange": {"pattern": f"{tokens} -> {cut}", "p": p, "h": height // p}},
    ], x


def skip(author: Author, x: TensorType, depth: int) -> tuple[Items, TensorType] | None:
    """A value that is marked, and joins a later one; another block may be given it, and give one back."""
    mark = author.name("mark")
    if author.draw(st.booleans()):
        word = author.draw(st.sampled_from(["sum", "concat"]))
        y = infer(word, {}, x, x) if x.ndim > 1 else x
        if x.ndim < 2 or (y != x and sizes(y)[0] > 2 * MOST_CHANNELS):
            word, y = "sum", x
        join = {word: ["identity", {"from": mark}]}
        return [{"mark": mark}, *author.same_shape(x, depth), join], y
    word, low, found = author.name("block"), author.name("mark"), author.name("mark")
    inside, parameters, arguments = author.same_shape_in_a_block(x, depth)
    body = [*inside, {"mark": low}, {"sum": [{"from": "given"}, "identity"]}]
    author.blocks[word] = {"parameters": {**parameters, "given": "value"}, "results": [low], "layers": body}
    call = {word: {**arguments, "given": mark, "results": [found]}}
    return [{"mark": mark}, *author.same_shape(x, depth), call, {"product": ["sigmoid", {"from": found}]}], x


def shared(author: Author, x: TensorType, depth: int) -> tuple[Items, TensorType] | None:
    """An item that is used twice."""
    name = author.name("item")
    if x.ndim == 4:
        first: Item = {"conv2d": {"name": name, "out_channels": sizes(x)[0], "kernel_size": 3, "padding": 1}}
    elif x.ndim > 1:
        first = {"linear": {"name": name, "out_features": sizes(x)[-1]}}
    else:
        return None
    return [first, *author.same_shape(x, depth), {"share": name}], x


FORMS: tuple[Form, ...] = (own_tensor, beside, attention, attention, skip, shared)
