"""A graph -> the text of a spec."""

from __future__ import annotations

from archc.ir.graph import Graph
from archc.lifting.blocks import Blocks, Known, UnevenRamp
from archc.lifting.classes import parametrize_classes
from archc.lifting.document import Document, written_inputs
from archc.lifting.marks import name_marks
from archc.lifting.naming import without_usual_names
from archc.lifting.own_blocks import Recognizer
from archc.lifting.structure import structured
from archc.lifting.usual import usual_defaults, usual_initializers
from archc.spec.format import format_document


def spec_text(
    graph: Graph, source: str = "", known: Known | None = None, *, flat: bool = False, foreign: bool = False
) -> str:
    """The text of a spec of this graph, in the canonical style. A `flat` one has no blocks of its own.

    With `foreign` the graph was traced: rates of 0 are written where other instances of a block drop something.
    """
    try:
        document = _document(graph, source, known or Known(), flat=flat, foreign=foreign, ramped=True)
    except UnevenRamp:
        document = _document(graph, source, known or Known(), flat=flat, foreign=foreign, ramped=False)
    name_marks(document.items, [value.name for value in graph.inputs])
    return format_document(document.data())


def _document(graph: Graph, source: str, known: Known, *, flat: bool, foreign: bool, ramped: bool) -> Document:
    items = structured(graph)
    without_usual_names(items)
    document = Document(graph.name, written_inputs(graph), items, source)
    document.init = usual_initializers(items)
    document.defaults = usual_defaults(items)
    recognizer = None if flat else Recognizer(graph, document.defaults)
    blocks = Blocks(items, known, only_needed=flat, foreign=foreign, ramped=ramped, recognizer=recognizer)
    document.items = blocks.run()
    document.blocks, document.ramps = blocks.definitions, blocks.ramps
    if foreign:
        parametrize_classes(document)
    return document
