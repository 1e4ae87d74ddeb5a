"""What a network does that is right by every rule, and hardly meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archc.diagnostics import Diagnostic, Note, Span
from archc.elaborate.moved import moved_sizes
from archc.ir.graph import Graph, Node
from archc.spec.language.document import Spec
from archc.spec.language.unused import unused_defaults

NORMS = ("layer_norm", "rms_norm")
ON_THE_LAST_AXIS = (*NORMS, "linear")
EACH_PIXEL = "before a classifier stands 'flatten'; what maps the channels of each pixel is a conv2d with kernel_size 1"


def likely_mistakes(spec: Spec, graph: Graph) -> tuple[Diagnostic, ...]:
    """The warnings of a spec and its graph."""
    words = {node.operator.word for node in graph.nodes}
    return (*unused_defaults(spec, words), *_on_the_width(graph), *moved_sizes(spec, graph))


def _on_the_width(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each place of the spec; copies of a block are at one place."""
    producers = {value.name: node for node in graph.nodes for value in node.outputs}
    found: dict[Span | None, Diagnostic] = {}
    for node in graph.nodes:
        if node.operator.word in ON_THE_LAST_AXIS:
            convolution = _convolution_of_space(node, producers)
            if convolution is not None:
                found.setdefault(node.span, _on_space(node, convolution))
    yield from found.values()


def _convolution_of_space(node: Node, producers: Mapping[str, Node]) -> Node | None:
    """The convolution along whose last axis of space a node's last axis runs, if it does along nothing else."""
    value = node.inputs[0]
    axis = value.type.ndim - 1
    while producer := producers.get(value.name):
        if producer.operator.linear_axis == 1:
            return producer if axis > 1 and (axis > 2 or node.operator.word in NORMS) else None
        if not producer.inputs or producer.operator.linear_axis is not None:
            return None
        value = producer.inputs[0]
        along = producer.operator.follows(value.type)
        if axis >= len(along) or len(along[axis]) != 1:
            return None
        (axis,) = along[axis]
    return None


def _on_space(node: Node, convolution: Node) -> Diagnostic:
    type, word = node.inputs[0].type, node.operator.word
    does = "normalises" if word in NORMS else "works on"
    each = "'layer_norm2d' normalises the channels of each pixel"
    help = EACH_PIXEL if word not in NORMS else each if type.ndim == 4 else "permute the channels to the end"
    return Diagnostic(
        "likely-mistake",
        f"{word} {does} the last axis of {type}, and the channels of a convolution are axis 1",
        node.span,
        (Note(f"{convolution.operator.word} produces {convolution.output.type} here", convolution.span),),
        help,
        warning=True,
    )
