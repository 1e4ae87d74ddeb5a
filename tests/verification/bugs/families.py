"""All seeded bugs by name, family after family."""

from tests.verification.bugs import activations, batch_norms, convolutions, heads, joins, pools
from tests.verification.bugs.catalogue import BUGS

FAMILIES = (convolutions, batch_norms, activations, pools, joins, heads)
ALL = tuple(BUGS.values())
