"""The time that a spec takes grows with its length, not with its square."""

import gc
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from archc.diagnostics import Source, SpecError
from archc.elaborate import elaborate, unreached_problems
from archc.spec.loading import parse_text
from tests.elaborate.specs import HEAD

SMALL, LARGE = 1500, 9000
MOST_NODES = 4 * LARGE

SPECS: dict[str, Callable[[int], str]] = {
    "items": lambda n: "layers:\n" + "- relu\n" * n,
    "branches": lambda n: "layers:\n- sum:\n" + "  - relu\n" * n,
    "marks": lambda n: "layers:\n" + "".join(f"- relu\n- output: o{i}\n" for i in range(n)) + "- relu\n",
    "blocks": lambda n: (
        "blocks:\n" + "".join(f"  b{i}: {{layers: [relu]}}\n" for i in range(n))
        + "layers:\n" + "".join(f"- b{i}\n" for i in range(n))
    ),
}  # fmt: skip


def seconds(text: str) -> float:
    """Processor time of elaborating a spec."""
    spec = parse_text(Source("net.yaml", HEAD + text), Path())
    gc.collect()
    begun = time.process_time()
    with suppress(SpecError):
        elaborate(spec, {}, max_nodes=MOST_NODES)
    unreached_problems(spec, MOST_NODES)
    return time.process_time() - begun


@pytest.mark.parametrize("name", SPECS)
def test_elaboration_is_linear(name: str) -> None:
    small, large = (seconds(SPECS[name](size)) for size in (SMALL, LARGE))
    assert large < 2.5 * LARGE / SMALL * small


def test_a_refusal_of_many_branches_takes_no_longer_than_their_sum() -> None:
    accepted = SPECS["branches"](LARGE)
    assert seconds(accepted.replace("relu", "flatten", 1)) < 3 * seconds(accepted)
