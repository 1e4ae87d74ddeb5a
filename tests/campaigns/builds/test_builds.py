"""A sample of the sequences of commands on a build; and that the machine would notice what it is for.

The long run is `python -m tests.campaigns.builds --examples 1000`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from archc.builds.manifest import Manifest
from tests.campaigns.builds.machine import INITS, SWAP, Builds


def test_what_a_manifest_calls_passed_passes_and_no_command_ends_in_a_traceback() -> None:
    run_state_machine_as_test(
        Builds,
        settings=settings(
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )


@contextmanager
def begun() -> Iterator[Builds]:
    """A machine that somebody drives by hand."""
    machine = Builds()
    try:
        machine.begin()
        yield machine
    finally:
        machine.leave()


@pytest.mark.parametrize("way", ["init", "rename"])
def test_the_machine_notices_an_artefact_of_other_weights(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Manifest, "differs_from", lambda self, other: None)
    with begun() as machine:
        machine.build(("--weights", "given.safetensors") if way == "rename" else (), ())
        machine.export_build(("--onnx",), ("--no-verify",))
        machine.artefacts_have_the_tensors_of_the_build()
        if way == "init":
            machine.edit_and_build(INITS[1])
        else:
            machine.build(("--weights", "given.safetensors", *SWAP), ())
        with pytest.raises(AssertionError, match=r"twins\.onnx: left\.weight"):
            machine.artefacts_have_the_tensors_of_the_build()
        with pytest.raises(AssertionError, match=r"left\.weight differs from the network's weights"):
            machine.verify()
