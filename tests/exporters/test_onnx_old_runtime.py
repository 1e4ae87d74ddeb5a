"""A file exported with the default settings loads and runs in ONNX Runtime 1.17, of February 2024.

The runtime is installed once, from wheels alone, into pytest's cache (`pytest --cache-clear` removes it).
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.exporters.small_networks import RESIDUAL, VARIED, compiled
from tests.operators.cases import CASES, exact, images, with_random_weights, written

RUNTIME = ("onnxruntime==1.17.3", "numpy==1.26.4")
NEWEST_PYTHON = (3, 12)  # that has wheels of both

# As in the tests of operators and of whole files: 192 roundings in a layer, and about ten layers in a network.
LAYER_TOLERANCE, NETWORK_TOLERANCE = 192 * 2.0**-24, 1e-5

SCRIPT = """
import sys
from pathlib import Path
import numpy, onnxruntime
assert onnxruntime.__version__ == "1.17.3", onnxruntime.__version__
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
def old_runtime(request: pytest.FixtureRequest) -> Path:
    """A folder of packages to put before all others."""
    assert request.config.cache is not None
    folder = Path(request.config.cache.mkdir("packages")) / "onnxruntime-1.17.3"
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--target", str(unfinished), *RUNTIME], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.skip(f"{' '.join(RUNTIME)} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return unfinished.rename(folder)


def test_files_with_the_default_settings_run_in_onnx_runtime_1_17(old_runtime: Path, tmp_path: Path) -> None:
    networks = {f"operator {index} {case}": (case.network(), LAYER_TOLERANCE) for index, case in enumerate(CASES)}
    for text in (RESIDUAL, VARIED):
        graph = compiled(text)
        networks[f"network {graph.name}"] = with_random_weights(graph), NETWORK_TOLERANCE
    expected: dict[str, tuple[np.ndarray, float]] = {}
    for index, (name, (network, tolerance)) in enumerate(networks.items()):
        inputs = {value.name: images(value.type.shape, 3) for value in network.graph.inputs}
        (tmp_path / f"{index}.onnx").write_bytes(written(network))
        np.savez(tmp_path / f"{index}.npz", **inputs)  # type: ignore[arg-type]
        expected[name] = exact(network, *inputs.values()), tolerance

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(old_runtime)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for index, (name, (result, tolerance)) in enumerate(expected.items()):
        actual = np.load(tmp_path / f"{index}.result.npy")
        assert actual.shape == result.shape, name
        np.testing.assert_allclose(
            actual, result, rtol=0, atol=tolerance * max(1.0, np.abs(result).max()), err_msg=name
        )
