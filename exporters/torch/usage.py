"""How a person calls a module that was loaded from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archc.weights.network import Network


def call(network: Network) -> str:
    """A line of Python, with the types of the inputs as a comment."""
    inputs = network.inference.inputs
    names = ["images"] if len(inputs) == 1 else [value.name for value in inputs]
    types = ", ".join(f"{name}: {value.type}" for name, value in zip(names, inputs, strict=True))
    return f"outputs = model({', '.join(names)})  # {types}"
