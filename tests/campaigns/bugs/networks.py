"""The networks that bugs are seeded into: real ones, at small images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import onnx

from archc.builds.targets import find_target
from archc.exporting import exporters
from archc.verification.check import Verifier
from archc.verification.images import images
from archc.verification.twin import calibrated_weights
from archc.weights.network import Network
from tests.campaigns.bugs.draft import Origins, origins
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
}


@dataclass(frozen=True)
class Subject:
    """A network under the weights of its calibrated twin, given as its own; its reference is computed once."""

    name: str

    @cached_property
    def network(self) -> Network:
        """The network at its small size."""
        text = Path(find_target(self.name).spec).read_text()
        small = re.sub(r"(height|width): \d+", rf"\1: {SIZES[self.name]}", text)
        graph = compiled(small.replace("aux_logits: bool = true", "aux_logits: bool = false"))  # too large for the size
        shape = tuple(size for size in graph.input.type.shape[1:] if isinstance(size, int))
        return Network(graph, calibrated_weights(graph, images(shape)), fresh=False)

    @cached_property
    def verifier(self) -> Verifier:
        return Verifier(self.network)

    @cached_property
    def _exports(self) -> dict[bool, onnx.ModelProto]:
        return {}

    def model(self, folded: bool) -> onnx.ModelProto:
        """A copy of the correct export."""
        if folded not in self._exports:
            file = BytesIO()
            ONNX.write(self.network, file, ONNX.asked(fold_batch_norm=folded))
            self._exports[folded] = onnx.load_from_string(file.getvalue())
        copy = onnx.ModelProto()
        copy.CopyFrom(self._exports[folded])
        return copy

    @cached_property
    def _origins(self) -> dict[bool, Origins]:
        return {folded: origins(self.network, ONNX.asked(fold_batch_norm=folded)) for folded in (True, False)}

    def origins(self, folded: bool) -> Origins:
        """Where the nodes of the correct export come from."""
        return self._origins[folded]
