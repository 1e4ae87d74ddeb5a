"""The work that a spec is grows with its length, not with its square."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from archc.diagnostics import Source, SpecError
from archc.elaborate import elaborate, unreached_problems
from archc.spec.loading import parse_text
from tests.elaborate.specs import HEAD
from tests.work import calls

SMALL, LARGE = 500, 3000
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


def work(text: str) -> int:
    """Function calls of elaborating a spec."""
    spec = parse_text(Source("net.yaml", HEAD + text), Path())

    def elaborated() -> None:
        with suppress(SpecError):
            elaborate(spec, {}, max_nodes=MOST_NODES)
        unreached_problems(spec, MOST_NODES)

    elaborated()  # what is remembered between specs is made now
    return calls(elaborated)


@pytest.mark.parametrize("name", SPECS)
def test_elaboration_is_linear(name: str) -> None:
    small, large = (work(SPECS[name](size)) for size in (SMALL, LARGE))
    assert large < 1.2 * LARGE / SMALL * small


def test_a_refusal_of_many_branches_is_no_more_work_than_their_sum() -> None:
    accepted = SPECS["branches"](LARGE)
    assert work(accepted.replace("relu", "flatten", 1)) < 3 * work(accepted)
