"""Old runtimes take the files that are meant for them.

A file exported with the default settings loads and runs in ONNX Runtime 1.17, of February 2024; one of opset 23, which
has ONNX's own Attention, in 1.24.4, the oldest that archc itself works with. A runtime is installed once, from wheels
alone, into pytest's cache (`pytest --cache-clear` removes it).
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, VARIED, compiled
from tests.operators.cases import CASES, exact, images, with_random_weights, written

OLD = ("onnxruntime==1.17.3", "numpy==1.26.4")
WITH_ATTENTION = ("onnxruntime==1.24.4",)
NEWEST_PYTHON = (3, 12)  # that has wheels of both

# As in the tests of operators and of whole files: 192 roundings in a layer, and about ten layers in a network.
LAYER_TOLERANCE, NETWORK_TOLERANCE = 192 * 2.0**-24, 1e-5

SCRIPT = """
import sys
from pathlib import Path
import numpy, onnxruntime
assert f"onnxruntime=={onnxruntime.__version__}" == sys.argv[2], onnxruntime.__version__
for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = numpy.load(path.with_suffix(".npz"))
    (result,) = session.run(None, {entry.name: inputs[entry.name] for entry in session.get_inputs()})
    numpy.save(path.with_suffix(".result.npy"), result)
"""

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] > NEWEST_PYTHON, reason="onnxruntime 1.17 has no wheels for this Python"
)


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest) -> Callable[[tuple[str, ...]], Path]:
    """Gives a folder with these packages, to put before all others."""
    assert request.config.cache is not None
    packages = Path(request.config.cache.mkdir("packages"))

    def install(wanted: tuple[str, ...]) -> Path:
        folder = packages / wanted[0].replace("==", "-")
        if folder.is_dir():
            return folder
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, "--target", str(unfinished), *wanted], capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            pytest.skip(f"{' '.join(wanted)} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        return unfinished.rename(folder)

    return install


Networks = dict[str, tuple[Network, float]]


def run_in(packages: Path, runtime: tuple[str, ...], folder: Path, networks: Networks, **options: Any) -> None:
    """Hold what a runtime gives for the files of these networks to PyTorch, each within its tolerance."""
    expected: dict[str, tuple[np.ndarray, float]] = {}
    for index, (name, (network, tolerance)) in enumerate(networks.items()):
        inputs = {value.name: images(value.type.shape, 3) for value in network.graph.inputs}
        (folder / f"{index}.onnx").write_bytes(written(network, **options))
        np.savez(folder / f"{index}.npz", **inputs)  # type: ignore[arg-type]
        expected[name] = exact(network, *inputs.values()), tolerance
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), runtime[0]],
        env={**os.environ, "PYTHONPATH": str(packages)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for index, (name, (result, tolerance)) in enumerate(expected.items()):
        actual = np.load(folder / f"{index}.result.npy")
        assert actual.shape == result.shape, name
        np.testing.assert_allclose(
            actual, result, rtol=0, atol=tolerance * max(1.0, np.abs(result).max()), err_msg=name
        )


def test_files_with_the_default_settings_run_in_onnx_runtime_1_17(
    installed: Callable[[tuple[str, ...]], Path], tmp_path: Path
) -> None:
    networks = {f"operator {index} {case}": (case.network(), LAYER_TOLERANCE) for index, case in enumerate(CASES)}
    for text in (RESIDUAL, VARIED):
        graph = compiled(text)
        networks[f"network {graph.name}"] = with_random_weights(graph), NETWORK_TOLERANCE
    run_in(installed(OLD), OLD, tmp_path, networks)


def test_attention_of_opset_23_runs_in_the_oldest_onnx_runtime_of_archc(
    installed: Callable[[tuple[str, ...]], Path], tmp_path: Path
) -> None:
    networks = {str(case): (case.network(), LAYER_TOLERANCE) for case in CASES if case.word == "attention"}
    types = [node.op_type for network, _ in networks.values() for node in nodes(written(network, opset=23))]
    assert "Attention" in types
    run_in(installed(WITH_ATTENTION), WITH_ATTENTION, tmp_path, networks, opset=23)


def nodes(data: bytes) -> list[onnx.NodeProto]:
    return list(onnx.load_from_string(data).graph.node)
