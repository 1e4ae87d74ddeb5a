"""The `keys` of a call: other `state_dict` keys for its tensors."""

from __future__ import annotations

from archc.diagnostics import did_you_mean
from archc.elaborate.environment import Here
from archc.elaborate.naming import item_name
from archc.elaborate.problems import Problems
from archc.ir.operator import Operator
from archc.spec.language.items import Call
from archc.spec.language.names import is_path_template
from archc.spec.tree import Scalar


def keys_of(call: Call, operator: Operator, here: Here, problems: Problems) -> dict[str, str]:
    """The keys that a call gives its tensors, by the tensors' names; what is wrong is recorded. Raises SpecError."""
    found: dict[str, str] = {}
    for name, entry in (call.keys.entries if call.keys else {}).items():
        if not operator.functional:
            problems.add("wrong-kind", f"the tensors of {call.word} have no keys of their own", entry.key.span)
        elif name not in operator.tensors:
            help = did_you_mean(name, operator.tensors) or f"{call.word} has {', '.join(operator.tensors)}"
            problems.add("unknown-field", f"{call.word} has no tensor '{name}'", entry.key.span, help=help)
        elif not isinstance(entry.value, Scalar) or not is_path_template(entry.value.text):
            problems.add("bad-name", "a key is a name, which may have dots", entry.value.span)
        elif key := item_name(entry.value, here, None):
            found[name] = key
    return found
