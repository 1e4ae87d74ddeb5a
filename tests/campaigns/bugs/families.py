"""All seeded bugs by name, family after family."""

from tests.campaigns.bugs import (
    activations,
    attentions,
    batch_norms,
    convolutions,
    heads,
    inputs,
    interfaces,
    joins,
    pools,
    resizing,
    shares,
)
from tests.campaigns.bugs.catalogue import BUGS, WrongNumbers

FAMILIES = (
    convolutions,
    batch_norms,
    activations,
    pools,
    resizing,
    attentions,
    joins,
    heads,
    shares,
    inputs,
    interfaces,
)
NODES = tuple(bug for bug in BUGS.values() if not isinstance(bug, WrongNumbers))
NUMBERS = tuple(bug for bug in BUGS.values() if isinstance(bug, WrongNumbers))
