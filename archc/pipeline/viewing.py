"""`archc view`: Netron on an artefact, or on the ONNX graph of a spec."""

from __future__ import annotations

import tempfile
from pathlib import Path

from archc.diagnostics import UsageError
from archc.exporting import ExportOptions, exporters
from archc.network import Network
from archc.pipeline.api import compile
from archc.targets import find_target
from archc.weights import InitializedWeights

_ARTEFACTS = (".onnx", ".pt", ".pt2", ".safetensors")


def view(target: Path, port: int, browse: bool) -> None:
    """Serve a model in Netron until interrupted. A spec is shown as the ONNX graph that it exports to.

    Raises: UsageError: there is no such target, or the port is taken.
    """
    if target.is_file() and target.suffix in _ARTEFACTS:
        _serve(target, port, browse)
        return
    build = find_target(target).build
    exported = sorted(build.glob("*.onnx")) if build else []
    if exported:
        _serve(exported[0], port, browse)
        return
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        _serve(_drawn(target, Path(folder)), port, browse)


def _drawn(target: Path, folder: Path) -> Path:
    graph = compile(target)
    network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    path = folder / f"{graph.name}.onnx"
    with path.open("wb") as file:
        exporters()["onnx"].write(network, file, ExportOptions())
    return path


def _serve(path: Path, port: int, browse: bool) -> None:
    import netron

    try:
        address = netron.start(str(path), address=("localhost", port or None), browse=browse)
    except OSError as error:
        raise UsageError(f"Netron cannot listen on port {port}: {error.strerror}", code="bad-option") from None
    print(f"Netron shows {path.name} at http://{address[0]}:{address[1]} (interrupt to stop)", flush=True)
    try:
        netron.wait()
    except KeyboardInterrupt:
        netron.stop()
