"""All seeded bugs by name, family after family."""

from tests.campaigns.bugs import activations, batch_norms, convolutions, heads, joins, pools
from tests.campaigns.bugs.catalogue import BUGS

FAMILIES = (convolutions, batch_norms, activations, pools, joins, heads)
ALL = tuple(BUGS.values())
