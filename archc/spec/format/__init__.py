"""Writes specs in the one canonical style.

    format_document(data) -> str    from plain data: dict, list, str, int, float, bool, None
    format_text(text, name) -> str  from a text, whose comments are kept

The style: keys of a spec in a fixed order; a call on one line where it fits, else one field per line; a list of items
with one on each line; quotes only where YAML needs them; the shortest number.
Data (`data.py`) or a text (`reading.py`, `comments.py`) become nodes, and nodes become text (`document.py`,
`layout.py`).
"""

from archc.spec.format.data import format_document as format_document
from archc.spec.format.reading import format_text as format_text
