"""A sample of the fuzzer's inputs; and that the fuzzer would notice what it is for.

The long run is `python -m tests.campaigns.fuzz --inputs 1000000`.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.diagnostics import Diagnostic, SpecError
from tests.campaigns.fuzz import campaign
from tests.campaigns.fuzz.campaign import Tally, run
from tests.campaigns.fuzz.checks import check_shown
from tests.campaigns.fuzz.documents import Document, draw_pool
from tests.campaigns.fuzz.inputs import SHARES, make

INPUTS = 3000


@pytest.fixture(scope="module")
def pool() -> list[Document]:
    return draw_pool(60)


def tally_of(inputs: int, pool: list[Document], check: Callable[[Path], tuple[str, ...]] | None = None) -> Tally:
    """The tally of a whole run."""
    *_, tally = run(inputs, 1, pool, check) if check else run(inputs, 1, pool)
    return tally


def test_nothing_but_our_own_errors_escapes_and_nothing_takes_long(pool: list[Document]) -> None:
    tally = tally_of(INPUTS, pool)
    assert list(tally.failures.values()) == []
    assert tally.inputs.total() == INPUTS
    assert set(tally.inputs) == set(SHARES)
    assert tally.accepted["mutated spec"] > 50
    assert tally.accepted["document"] > 50
    assert len(tally.codes) > 25


def test_an_input_is_made_anew_from_its_number(pool: list[Document]) -> None:
    first = [make(number, pool) for number in range(200)]
    assert first == [make(number, pool) for number in range(200)]
    assert len({data for _, data in first}) > 190


def raises(path: Path) -> tuple[str, ...]:
    """What a check must not do."""
    raise KeyError(path.name)


def dies(path: Path) -> tuple[str, ...]:
    """As a parser in C can."""
    os.abort()


def hangs(path: Path) -> tuple[str, ...]:
    """Without using the processor."""
    time.sleep(100)
    return ()


def computes(path: Path) -> tuple[str, ...]:
    """For longer than it may."""
    begun = time.process_time()
    while time.process_time() - begun < 1.2 * campaign.MOST_SECONDS:
        pass
    return ()


def grows(path: Path) -> tuple[str, ...]:
    """Beyond the limit of memory."""
    return (str(len(bytes(600_000_000))),)


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (raises, "KeyError: 'input.yaml'"),
        (dies, "the process died with status -6"),
        (hangs, "no result after 1 s"),
        (computes, "takes more than 2 s"),
        (grows, "MemoryError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_failure_is_noticed_and_the_run_goes_on(
    check: Callable[[Path], tuple[str, ...]], told: str, pool: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "HANG_SECONDS", 1.0 if check is hangs else 60.0)
    tally = tally_of(2, pool, check)
    assert (tally.inputs.total(), tally.failed) == (2, 2)
    (failure,) = tally.failures.values()
    assert told in failure
    assert failure.startswith("seed 0 (")


@pytest.mark.parametrize("message", ["", "clear the screen: \x1b[2J"])
def test_a_message_that_says_nothing_or_steers_a_terminal_is_noticed(message: str) -> None:
    class Careless(SpecError):
        def __str__(self) -> str:
            return self.diagnostics[0].message

    with pytest.raises(AssertionError):
        check_shown(Careless([Diagnostic("syntax", message)]))
