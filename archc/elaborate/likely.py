"""What a network does that is right by every rule, and hardly meant."""

from __future__ import annotations

from collections.abc import Iterator

from archc.diagnostics import Diagnostic, Note, Span
from archc.elaborate.moved import moved_sizes
from archc.ir.graph import Graph, Node
from archc.spec.language.document import Spec
from archc.spec.language.unused import unused_defaults


def likely_mistakes(spec: Spec, graph: Graph) -> tuple[Diagnostic, ...]:
    """The warnings of a spec and its graph."""
    words = {node.operator.word for node in graph.nodes}
    return (*unused_defaults(spec, words), *_widths_normalised(graph), *moved_sizes(spec, graph))


def _widths_normalised(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each place of the spec; copies of a block are at one place."""
    producers = {value.name: node for node in graph.nodes for value in node.outputs}
    found: dict[Span | None, Diagnostic] = {}
    for node in graph.nodes:
        producer = producers.get(node.inputs[0].name) if node.inputs else None
        if producer and node.operator.word in ("layer_norm", "rms_norm") and producer.operator.linear_axis == 1:
            found.setdefault(node.span, _width_normalised(node, producer))
    yield from found.values()


def _width_normalised(norm: Node, convolution: Node) -> Diagnostic:
    type, word = convolution.output.type, norm.operator.word
    what = (
        "'layer_norm2d' normalises the channels of each pixel" if type.ndim == 4 else "permute the channels to the end"
    )
    return Diagnostic(
        "likely-mistake",
        f"{word} normalises the last axis of {type}, and the channels of a convolution are axis 1",
        norm.span,
        (Note(f"{convolution.operator.word} produces {type} here", convolution.span),),
        what,
        warning=True,
    )
