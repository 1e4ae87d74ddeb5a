"""A folder of files that people could have, in which something is wrong."""

import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data
from safetensors.numpy import load_file, save_file

from archc import cli
from tests.builds.test_delivery import SATURATED
from tests.exporters.small_networks import RESIDUAL

PYTHON = """\
from torch import nn


def build(width):
    return nn.Linear(width, 2**width // 0)


def settings():
    return {"width": 3}
"""


class Payload:
    """What a hostile pickle does when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return subprocess.run, (["touch", "the_payload_ran"],)


def make_broken_things() -> None:
    """Write them into the current folder."""
    Path("folder").mkdir()
    Path("small.yaml").write_text(RESIDUAL)
    Path("saturated.yaml").write_text(SATURATED)
    Path("empty.yaml").write_text("")
    Path("binary.yaml").write_bytes(bytes(range(256)))
    field = "kernel_size: 3, stride: 2, padding: 1, bias"
    Path("broken.yaml").write_text(RESIDUAL.replace(field, "kernal_size: 3, bias"))
    for suffix in ("pth", "safetensors", "onnx", "pt", "pt2"):
        Path(f"corrupt.{suffix}").write_bytes(b"\x80\x02this is no model" * 10)
    torch.save({"conv1.weight": Payload()}, "code.pth")
    Path("mine.py").write_text(PYTHON)
    Path("unfinished.py").write_text("def build(:\n")
    _make_builds()
    _make_onnx_files()


def _make_builds() -> None:
    commands: tuple[str, ...] = (
        "build small.yaml -o eleven --set num_classes=11",
        "build saturated.yaml -o saturated",
        "export small.yaml --onnx --torchscript -o exported --no-verify",
        "build small.yaml -o ten",
        "build small.yaml -o other_weights",
        "build small.yaml -o other_spec",
        "export small.yaml --onnx -o without_weights --weights ten/model.safetensors --no-verify",
        "export small.yaml --onnx -o changed --no-verify",
    )
    for command in commands:
        assert cli.run(shlex.split(command)) == 0
    shutil.copy("exported/small.pt", "loose.pt")
    numbers = {key: value.astype(np.int64) for key, value in load_file("ten/model.safetensors").items()}
    save_file(numbers, "whole_numbers.safetensors")
    Path("other_weights/model.safetensors").write_bytes(_with_one_other_bit(Path("ten/model.safetensors")))
    with Path("other_spec/spec.yaml").open("a") as file:
        file.write("# seen by somebody\n")
    Path("damaged").mkdir()
    Path("damaged/spec.yaml").write_text(RESIDUAL)
    Path("damaged/manifest.json").write_text('{"format": 1')
    Path("in_the_way/small.onnx").mkdir(parents=True)


def _with_one_other_bit(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    return bytes(data)


def _make_onnx_files() -> None:
    model = onnx.load("changed/small.onnx")
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "Abs"
    onnx.save(model, "changed/small.onnx")
    relu.op_type = "Frobnicate"
    onnx.save(model, "unknown_operator.onnx")
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [1], b"\0" * 4, raw=True)
    set_external_data(weights, "../secrets")
    weights.ClearField("raw_data")
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 32, 32])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3, 32, 32])
    graph = helper.make_graph(
        [helper.make_node("Add", ["input", "weights"], ["output"])], "g", [value], [output], [weights]
    )
    weights.data_location = TensorProto.EXTERNAL
    Path("weights_elsewhere.onnx").write_bytes(helper.make_model(graph).SerializeToString())
