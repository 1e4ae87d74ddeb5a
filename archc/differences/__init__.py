"""What differs between two networks, aligned by structure.

    compare(one, other) -> Diff

A graph becomes a tree of modules (`modules.py`); two trees are aligned (`alignment.py`, `likeness.py`); what differs
between the pairs is found (`changes.py`), summed up (`summary.py`, `labels.py`) and written (`report.py`, `plain.py`,
`sides.py`).
"""

from archc.differences.report import Diff as Diff
from archc.differences.summary import compare as compare
