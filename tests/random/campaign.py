"""A long run: many random networks in several processes, and what came of them."""

from __future__ import annotations

import logging
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.random.checks import Findings, check
from tests.random.coverage import Pair, pairs
from tests.random.networks import specs

BATCH_SIZE = 50


@dataclass
class Tally:
    """Counts over networks; `failures` holds the shrunk spec and what was wrong with it."""

    networks: int = 0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    pairs: Counter[Pair] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    largest: dict[str, float] = field(default_factory=dict)  # error in units of its bound, by witness

    def add(self, findings: Findings) -> None:
        """Count one network."""
        self.networks += 1
        self.verdicts.update((witness, verdict.value) for witness, verdict in findings.verdicts.items())
        self.causes.update(findings.causes)
        self.pairs.update(pairs(findings.graph))
        self._enlarge(findings.largest)

    def merge(self, other: Tally) -> None:
        """Count what another process counted."""
        self.networks += other.networks
        for mine, theirs in ((self.verdicts, other.verdicts), (self.causes, other.causes), (self.pairs, other.pairs)):
            mine.update(theirs)  # type: ignore[arg-type]
        self.failures += other.failures
        self._enlarge(other.largest)

    def _enlarge(self, errors: Mapping[str, float]) -> None:
        for witness, error in errors.items():
            self.largest[witness] = max(error, self.largest.get(witness, 0.0))


def run_batch(number: int, size: int = BATCH_SIZE) -> Tally:
    """Check `size` networks, the same at every run with this number; a failing one is shrunk and ends the batch."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # of torch.onnx, about packages that it could use
    tally = Tally()

    @seed(number)
    @settings(
        max_examples=size, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(specs())
    def check_one(text: str) -> None:
        last[:] = [text]
        tally.add(check(text))

    last: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's exporters and onnx.reference
        try:
            check_one()
        except Exception as error:
            tally.failures.append(f"batch {number}: {type(error).__name__}: {error}\n{last[0] if last else ''}")
    return tally


def run(count: int, processes: int, seconds: float) -> Iterator[Tally]:
    """The tally so far, after every batch, until there are `count` networks or the time is over."""
    total, end = Tally(), time.monotonic() + seconds
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        batches = [pool.submit(run_batch, number) for number in range(-(-count // BATCH_SIZE))]
        for batch in as_completed(batches):
            total.merge(batch.result())
            yield total
            if time.monotonic() > end:
                pool.shutdown(wait=True, cancel_futures=True)
                return
