"""Items that are used again with the same tensors: `share: NAME`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archc.diagnostics import did_you_mean
from archc.elaborate.context import Context
from archc.ir.graph import Node, Value
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown
from archc.spec.language.items import Call, Group, Item, Share

Apply = Callable[[Item, Value | Unknown, Environment], Value | Unknown]


class Shares:
    """The named items of each scope, in one elaboration; `apply` applies an item."""

    def __init__(self, context: Context, apply: Apply) -> None:
        self._context, self._apply = context, apply
        self._items: dict[str, dict[str, tuple[Item, Environment]]] = {}  # by the scope's path

    def remember(self, item: Item, env: Environment) -> None:
        """Note an item that has a name, from which it can be used again."""
        name = item.name if isinstance(item, Call | Group) else None
        if name is not None:
            self._items.setdefault(self._context.builder.path, {})[name.text] = item, env

    def again(self, share: Share, x: Value | Unknown) -> Value | Unknown:
        """Apply an item once more; what is wrong is recorded."""
        builder, problems, name = self._context.builder, self._context.problems, share.name.text
        known = self._items.get(builder.path, {})
        if name not in known:
            listed = f"known here: {', '.join(known)}" if known else "an item that is used again has a name"
            help = did_you_mean(name, known) or listed
            problems.add("unknown-name", f"there is no item '{name}' before in this list", share.name.span, help=help)
            return UNKNOWN
        item, env = known[name]
        if x is UNKNOWN:
            return UNKNOWN
        path = f"{builder.path}.{name}" if builder.path else name
        first = [node for node in builder.nodes if node.module == path or node.module.startswith(f"{path}.")
                 or node.scope == path or node.scope.startswith(f"{path}.")]  # fmt: skip
        begin = len(builder.nodes)
        with problems.inside(name, share.span), builder.again(name):
            value = self._apply(item, x, env)
        if value is not UNKNOWN:
            self._refuse_other_code(share, [n for n in first if not n.shares], builder.nodes[begin:])
        return value

    def _refuse_other_code(self, share: Share, first: Sequence[Node], again: Sequence[Node]) -> None:
        """Record an item that would have to compute something else on these values: a module has one `forward`."""
        shapes = {parameter.path: parameter.shape for node in first for parameter in node.parameters}
        for parameter in (parameter for node in again for parameter in node.parameters):
            if (shape := shapes.get(parameter.path, parameter.shape)) != parameter.shape:
                message = (
                    f"'{share.name.text}' cannot be used again here: {parameter.path} has the shape {_shown(shape)}"
                )
                message += f", and would need {_shown(parameter.shape)}"
                self._context.problems.add("shape-mismatch", message, share.span)
                return
        earlier, now = list(_code(first)), list(_code(again))
        if earlier == now:
            return
        word = next((b[0] for a, b in zip(earlier, now, strict=False) if a != b), "it")
        message = f"'{share.name.text}' cannot be used again here: {word} depends on the sizes of the first use"
        help = "share what does not depend on them, and apply the rest behind it"
        self._context.problems.add("shape-mismatch", message, share.span, help=help)


def _shown(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _code(nodes: Sequence[Node]) -> list[tuple[str, str, tuple[int, ...]]]:
    """What nodes compute, from which of each other's values; others count as -1."""
    places = {value.name: index for index, node in enumerate(nodes) for value in node.outputs}
    found = []
    for node in nodes:
        names = [f"x{index}" for index in range(len(node.inputs))]
        source = node.operator.torch_source(node.kind[1], names, "own")
        found.append((node.operator.word, source, tuple([places.get(value.name, -1) for value in node.inputs])))
    return found
