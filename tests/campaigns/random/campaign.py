"""A long run: many random networks in several processes, and what came of them."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from typing import Generic, TypeVar

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.campaigns.random.networks import specs

BATCH_SIZE = 100
MOST_DRAWS = 5  # for each network of a batch: hypothesis draws many specs again

FoundT = TypeVar("FoundT")
Check = Callable[[str], FoundT]
"""What is done with the text of a network. Raises: something is wrong."""


@dataclass
class Outcome(Generic[FoundT]):
    """What was found about each network, by its text, and the shrunk specs of those that failed with what was wrong."""

    findings: dict[str, FoundT] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def merge(self, other: Outcome[FoundT]) -> None:
        """Add what another process found; networks that it drew too count once."""
        self.findings |= other.findings
        self.failures += other.failures


def run_batch(number: int, check: Check[FoundT], size: int = BATCH_SIZE) -> Outcome[FoundT]:
    """Check `size` networks, the same at every run with this number; one that fails is shrunk and ends the batch."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # of torch.onnx, about packages that it could use
    outcome, failing = Outcome[FoundT](), ""

    @seed(number)
    @settings(
        max_examples=MOST_DRAWS * size, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(specs())
    def check_one(text: str) -> None:
        nonlocal failing
        if text in outcome.findings or len(outcome.findings) == size:
            return
        try:
            findings = check(text)
        except Exception:
            failing = text
            raise
        if not failing:  # else it is an attempt at shrinking
            outcome.findings[text] = findings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's exporters and onnx.reference
        try:
            check_one()
        except Exception as error:
            outcome.failures.append(f"batch {number}: {type(error).__name__}: {error}\n{failing}")
    return outcome


def run(check: Check[FoundT], networks: int, processes: int, seconds: float) -> Iterator[Outcome[FoundT]]:
    """What was found so far, after every batch, until there are this many networks or the time is over."""
    total, end, numbers = Outcome[FoundT](), time.monotonic() + seconds, count()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        batches = {pool.submit(run_batch, next(numbers), check) for _ in range(processes)}
        while batches:
            done, batches = wait(batches, return_when=FIRST_COMPLETED)
            for batch in done:
                total.merge(batch.result())
                yield total
            if len(total.findings) < networks and time.monotonic() < end:
                batches |= {pool.submit(run_batch, next(numbers), check) for _ in done}
