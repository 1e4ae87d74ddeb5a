"""`archc view`: Netron on an artefact, or on the ONNX graph of a spec."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from archc.builds.loading import check_file, load_network
from archc.builds.manifest import WEIGHTS, read_manifest
from archc.builds.options import WeightOptions
from archc.builds.targets import find_target
from archc.diagnostics import UsageError, option
from archc.exporting import exporter_named, exporter_of
from archc.weights.network import Network


def view(
    target: Path,
    weights: WeightOptions,
    settings: Mapping[str, str],
    port: int,
    browse: bool,
    tell: Callable[[str], None],
) -> None:
    """Serve a model in Netron until interrupted. A spec is shown as the ONNX graph that it exports to.

    Side effect: `tell` is called with the address once Netron listens.

    Raises: UsageError: there is no such target, the port is taken, or options of a spec with a file; SpecError;
    BuildError.
    """
    asked = weights.asked or bool(settings)
    if target.is_file() and (exporter_of(target.name) or target.suffix == Path(WEIGHTS).suffix):
        if asked:
            names = f"{option('weights')}, {option('seed')} and {option('parameters')}"
            message = f"{target} is shown as it is, so {names} mean nothing"
            raise UsageError(message, code="bad-option")
        _serve(target, port, browse, tell)
        return
    found = find_target(target)
    if found.build and not asked and (exported := _exported(found.build)):
        _serve(exported, port, browse, tell)
        return
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        _serve(_drawn(load_network(found, weights, settings), Path(folder)), port, browse, tell)


def _exported(build: Path) -> Path | None:
    """The ONNX file that a build's manifest knows, if there is one. Raises BuildError: it is not what was built."""
    manifest = read_manifest(build)
    name = next((name for name in sorted(manifest.exports) if exporter_of(name) == exporter_named("onnx")), None)
    if name is None:
        return None
    check_file(build, manifest, name)
    return build / name


def _drawn(network: Network, folder: Path) -> Path:
    onnx = exporter_named("onnx")
    path = folder / f"{network.graph.name}{onnx.suffix}"
    with path.open("wb") as file:
        onnx.write(network, file, onnx.asked())
    return path


def _serve(path: Path, port: int, browse: bool, tell: Callable[[str], None]) -> None:
    import netron

    try:
        address = netron.start(str(path), address=("localhost", port or None), browse=browse)
    except OSError as error:
        raise UsageError(f"Netron cannot listen on port {port}: {error.strerror}", code="bad-option") from None
    tell(f"Netron shows {path.name} at http://{address[0]}:{address[1]} (interrupt to stop)")
    try:
        netron.wait()
    except KeyboardInterrupt:
        netron.stop()
