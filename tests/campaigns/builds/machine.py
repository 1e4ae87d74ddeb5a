"""A machine of commands on one build folder, and what must hold after each of them.

The folder is built, exported into, edited by hand and built anew from a spec whose initialiser, width and weights
change. What must hold: no command ends in a traceback; `archc verify` tells exactly what was changed by hand, and all
else passes; every artefact that the manifest knows has the tensors of the last command that wrote the folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from onnx import numpy_helper

from archc import cli
from archc.builds.loading import load
from archc.builds.options import WeightOptions
from archc.builds.targets import find_target
from archc.weights import Weights, read_all

SPEC = """\
name: twins
input: {{channels: 4, height: 5, width: 5}}
parameters:
  constant: float = 0.5
  far: bool = false
layers:
  - when: $far
    then: [{{conv2d: {{name: left, out_channels: 4, kernel_size: 1, init: {{weight: {{normal: {{std: 2.0}}}}}}}}}}]
    else: [{{conv2d: {{name: left, out_channels: 4, kernel_size: 1, init: {{weight: {init}}}}}}}]
  - relu
  - conv2d: {{name: right, out_channels: 4, kernel_size: 1}}
  - leaky_relu: {{negative_slope: $constant}}
  - conv2d: {{name: last, out_channels: {width}, kernel_size: 1}}
"""
INITS = ("{normal: {std: 0.5}}", "{normal: {std: 0.25}}", "{orthogonal: {gain: 0.5}}")
SWAP = ("--rename", "left=middle", "--rename", "right=left", "--rename", "middle=right")
WEIGHTS = ((), ("--rename", "nothing=else"), SWAP, ("--ignore", "left.*"), ("--ignore", "left.*", "--seed", "1"))
OUT, FILE = Path("out"), "given.safetensors"
ARTEFACTS = (".onnx", ".pt", ".pt2")

given = st.sampled_from(WEIGHTS).map(lambda more: ("--weights", FILE, *more))
sources = st.sampled_from([(), (), ("--seed", "1")]) | given
values = st.sampled_from([(), (), ("--set", "far=true"), ("--set", "constant=0.25")])
formats = st.sampled_from([("--onnx",)] * 6 + [("--onnx", "--external-data"), ("--onnx", "--torchscript")])
proofs = st.sampled_from([("--no-verify",)] * 5 + [()])  # a proof takes ten times as long as the file


class Builds(RuleBasedStateMachine):
    """The folder `out`, the spec `twins.yaml`, a file of weights, and the tensors that the folder is known to have."""

    def __init__(self) -> None:
        super().__init__()
        self._places = contextlib.ExitStack()
        self._places.enter_context(contextlib.chdir(self._places.enter_context(tempfile.TemporaryDirectory())))
        self.tensors: Weights | None = None

    def teardown(self) -> None:
        """Verify what is left, and leave the folder."""
        try:
            if OUT.is_dir():
                self.verify()
        finally:
            self.leave()

    def leave(self) -> None:
        """Go back to where the machine was made."""
        self._places.close()

    @initialize()
    def begin(self) -> None:
        """A spec, and weights for it."""
        self.edit_spec(INITS[0], 4)
        assert run("build", "twins.yaml", "-o", "source", "--seed", "7")[0] == 0
        Path("source/model.safetensors").rename(FILE)

    @rule(init=st.sampled_from(INITS), width=st.sampled_from([4, 4, 4, 3]))
    def edit_spec(self, init: str, width: int) -> None:
        """Somebody edits the spec."""
        Path("twins.yaml").write_text(SPEC.format(init=init, width=width))

    @rule(init=st.sampled_from(INITS))
    def edit_and_build(self, init: str) -> None:
        """What somebody does who tries initialisers."""
        self.edit_spec(init, 4)
        self.build((), ())

    @rule(source=sources, values=values)
    def build(self, source: tuple[str, ...], values: tuple[str, ...]) -> None:
        """It is built anew, and always comes to be, unless the weights do not fit."""
        status, _ = run("build", "twins.yaml", "-o", "out", *source, *values)
        assert status == 0 or (status == 3 and FILE in source)
        if status == 0:
            self.tensors = tensors_of(source, values)

    @rule(source=sources, values=values, format=formats, proof=proofs)
    def export_spec(
        self, source: tuple[str, ...], values: tuple[str, ...], format: tuple[str, ...], proof: tuple[str, ...]
    ) -> None:
        """The spec is exported into the folder, which may hold another build."""
        status, _ = run("export", "twins.yaml", "-o", "out", *source, *values, *format, *proof)
        if status == 0:
            self.tensors = tensors_of(source, values)

    @precondition(lambda self: OUT.exists())
    @rule(format=formats, proof=proofs)
    def export_build(self, format: tuple[str, ...], proof: tuple[str, ...]) -> None:
        """The build is exported."""
        before = changes()
        status, _ = run("export", "out", *format, *proof)
        assert status == 0 or before or self.tensors is None or not Path("out/model.safetensors").exists()

    @precondition(lambda self: OUT.exists())
    @rule()
    def build_from_itself(self) -> None:
        """The build is built from itself."""
        run("build", "out", "-o", "out")

    @precondition(lambda self: OUT.exists() and any(OUT.iterdir()))
    @rule(number=st.integers(0, 20), how=st.sampled_from(["touch", "delete", "flip", "cut"]))
    def change_by_hand(self, number: int, how: str) -> None:
        """Somebody touches, deletes or damages a file."""
        files = sorted(OUT.iterdir())
        path = files[number % len(files)]
        data = path.read_bytes()
        if how == "touch":
            path.touch()
        elif how == "delete":
            path.unlink()
        elif how == "cut":
            path.write_bytes(data[: len(data) // 2])
        elif data:
            path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])

    @precondition(lambda self: manifest() is not None)
    @rule()
    def write_older_manifest(self) -> None:
        """The manifest is one of an older archc, which did not tell the tensors."""
        data = manifest() or {}
        data.pop("tensors", None)
        Path("out/manifest.json").write_text(json.dumps(data))

    @precondition(lambda self: OUT.exists())
    @rule()
    def verify(self) -> None:
        """`archc verify` tells what was changed, and that the rest passes."""
        status, output = run("verify", "out", "--format", "json")
        known = manifest()
        if known is None:
            assert status in (2, 3)
            return
        changed = changes()
        if changed & {"spec.yaml", "model.safetensors"} or status == 2:
            assert status == 5 or "weights-needed" in output
            return
        proof = json.loads(output.partition("note: ")[0])  # a proof that failed is kept
        told = {problem.split(" is ")[0].removeprefix("out/") for problem in proof["problems"]}
        assert told == changed | strangers(), (told, changed, strangers())
        for report in proof["reports"]:
            assert report["verdict"] == "passed", report
        whole = {name for name, export in known["exports"].items() if not changed & {name, *export["companions"]}}
        assert whole <= {report["artefact"] for report in proof["reports"]}
        assert status == (5 if told else 0)

    @invariant()
    def artefacts_have_the_tensors_of_the_build(self) -> None:
        """Every unchanged ONNX file that the manifest knows holds the tensors that the last command decided."""
        known = manifest()
        if known is None or self.tensors is None:
            return
        changed = changes()
        for name, export in known["exports"].items():
            if name.endswith(".onnx") and not changed & {name, *export["companions"]}:
                stored = {tensor.name: tensor for tensor in onnx.load(OUT / name).graph.initializer}
                for key, expected in self.tensors.items():
                    np.testing.assert_array_equal(numpy_helper.to_array(stored[key]), expected, f"{name}: {key}")
        reports = json.loads(Path("out/parity.json").read_text()) if _is_json(Path("out/parity.json")) else {}
        if changed:
            return
        passed = {name for name, export in known["exports"].items() if export["verdict"] == "passed"}
        assert set(reports) <= passed, "no report of what is not called passed"


def run(*command: str) -> tuple[int, str]:
    """Exit status and output of a command; only archc's own statuses are allowed."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = cli.run(list(command))
    output = out.getvalue() + err.getvalue()
    assert "Traceback" not in output, output
    assert status in (0, 2, 3, 4, 5, 7), (status, output)
    return status, output


def tensors_of(source: tuple[str, ...], values: tuple[str, ...]) -> Weights:
    """The tensors that a spec has with these options, read or drawn anew."""
    options: dict[str, list[str]] = {name: [] for name in ("--weights", "--seed", "--ignore", "--rename")}
    for name, value in zip(source[::2], source[1::2], strict=True):
        options[name].append(value)
    file, seed = options["--weights"], options["--seed"]
    weights = WeightOptions(
        Path(file[0]) if file else None,
        int(seed[0]) if seed else None,
        options["--ignore"],
        [(old, new) for old, _, new in (text.partition("=") for text in options["--rename"])],
    )
    settings = dict([values[1].split("=")]) if values else {}
    return read_all(load(find_target("twins.yaml"), weights, settings).network.weights)


def manifest() -> dict[str, Any] | None:
    """The manifest, if it can be read."""
    path = Path("out/manifest.json")
    return json.loads(path.read_text()) if _is_json(path) else None


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return True


def changes() -> set[str]:
    """The files that are not what the manifest says."""
    known = (manifest() or {"files": {}})["files"]
    return {
        name
        for name, digest in known.items()
        if not (OUT / name).is_file() or sha256((OUT / name).read_bytes()).hexdigest() != digest
    }


def strangers() -> set[str]:
    """The artefacts that the manifest does not know."""
    known = (manifest() or {"files": {}})["files"]
    return {path.name for path in OUT.iterdir() if path.name.endswith(ARTEFACTS) and path.name not in known}
