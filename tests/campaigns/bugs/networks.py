"""The networks that bugs are seeded into: real ones at small images, and some small ones that stand for others."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import onnx

from archc.builds.targets import find_target
from archc.diagnostics import SpecError
from archc.exporting import exporters
from archc.ir.graph import Graph
from archc.verification.check import Verifier
from archc.weights.network import Network
from tests.campaigns.bugs.draft import Origins, origins
from tests.campaigns.bugs.specs import SPECS
from tests.campaigns.bugs.weights import WEIGHTS
from tests.elaborate.specs import compiled

ONNX = exporters()["onnx"]

SIZES = {
    "resnet18": 64,
    "resnet50": 64,
    "resnet152": 64,
    "googlenet": 63,  # odd, so that windows hang over where they are rounded up
    "alexnet_2012": 99,  # two by two pixels are flattened
    "mobilenet_v3_small": 64,
    "mobilenet_v2": 64,
    "inception_v3": 107,
    "shufflenet_v2_x1_0": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "inception_resnet_v2": 107,
    "squeezenet1_0": 63,  # odd, too
}
OTHERS = (64, 99, 107)  # pixels: the first that a network takes
SIDE = re.compile(r"\b(height|width): (\d+)")


def small(name: str) -> str:
    """The spec that a name stands for here, at a small size.

    Those of SIZES are as narrow as the image is wide, wherever their specs write a `width`: it keeps ResNet-152 quick.
    """
    if name in SPECS:
        return SPECS[name]
    text = bundled(name)
    return SIDE.sub(rf"\1: {SIZES[name]}", text) if name in SIZES else small_image(text)


def bundled(name: str) -> str:
    """The spec of a bundled network, without the auxiliary heads, which take no small images."""
    text = Path(find_target(name).spec).read_text(encoding="utf-8")
    return text.replace("aux_logits: bool = true", "aux_logits: bool = false")


def small_image(text: str) -> str:
    """The spec at the first of the small sizes that it takes, or at its own."""
    own = max(Network(compiled(text), {}, fresh=True).image_shapes()[0][1:], default=0)
    for size in (size for size in OTHERS if size < own):
        smaller = _input(text, str(size), str(size))
        with suppress(SpecError):
            compiled(smaller)
            return smaller
    return text


def dynamic(text: str) -> str:
    """The spec with ranges for its height and width: from three quarters to one and a half of what they are."""
    sides = Network(compiled(text), {}, fresh=True).image_shapes()[0][1:]
    return _input(text, *(f"{{min: {3 * side // 4}, opt: {side}, max: {3 * side // 2}}}" for side in sides))


def _input(text: str, height: str, width: str) -> str:
    """The spec for images of another height and width: the first of each that it writes."""
    return re.sub(
        r"\bheight: \d+", f"height: {height}", re.sub(r"\bwidth: \d+", f"width: {width}", text, count=1), count=1
    )


@dataclass(frozen=True)
class Subject:
    """A network at its small size under weights of some kind; what verifies its files runs the reference once.

    With `resizable` its height and width are ranges. Raises SpecError: it takes none.
    """

    name: str
    weights: str = "twin"
    resizable: bool = False

    @cached_property
    def graph(self) -> Graph:
        return compiled(dynamic(small(self.name)) if self.resizable else small(self.name))

    @cached_property
    def network(self) -> Network:
        """The network. Raises DoesNotApply: it has no weights of this kind that another kind does not give."""
        return WEIGHTS[self.weights](self.graph)

    @cached_property
    def verifier(self) -> Verifier:
        return Verifier(self.network)

    @cached_property
    def _exports(self) -> dict[bool, onnx.ModelProto]:
        return {}

    def correct(self, folded: bool) -> onnx.ModelProto:
        """The correct export, which nobody may change."""
        if folded not in self._exports:
            file = BytesIO()
            ONNX.write(self.network, file, ONNX.asked(fold_batch_norm=folded))
            self._exports[folded] = onnx.load_from_string(file.getvalue())
        return self._exports[folded]

    def model(self, folded: bool) -> onnx.ModelProto:
        """A copy of the correct export."""
        copy = onnx.ModelProto()
        copy.CopyFrom(self.correct(folded))
        return copy

    @cached_property
    def _origins(self) -> dict[bool, Origins]:
        return {folded: origins(self.network, ONNX.asked(fold_batch_norm=folded)) for folded in (True, False)}

    def origins(self, folded: bool) -> Origins:
        """Where the nodes of the correct export come from."""
        return self._origins[folded]
