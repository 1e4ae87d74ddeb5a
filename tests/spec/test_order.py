"""The order of diagnostics follows the text, whatever Python's hash seed is."""

import os
import subprocess
import sys
from pathlib import Path

from tests.elaborate.specs import HEAD

SPECS = {
    "missing_keys": "name: net\ninput: {}\nlayers: [relu]\n",
    "missing_keys_of_a_range": "name: net\ninput: {channels: 3, height: {}, width: {}}\nlayers: [relu]\n",
    "missing_keys_of_a_ramp": f"{HEAD}ramps: {{r: {{}}, s: {{blocks: []}}}}\nlayers: [relu]\n",
    "layers_of_fields": f"{HEAD}defaults: {{basic: {{norm: &x nom, activation: *x}}}}\nlayers: [basic: 8]\n",
    "too_many": f"{HEAD}layers:\n" + "- basic: {norm: a, activation: b, x: 1, y: 2}\n" * 60,
}
PROGRAM = """
from pathlib import Path
from archc.builds.compilation import check_target
from archc.diagnostics import SpecError
for path in sorted(Path().glob("*.yaml")):
    try:
        check_target(path, {})
    except SpecError as error:
        print(error)
"""


def test_the_hash_seed_decides_no_order(tmp_path: Path) -> None:
    for name, text in SPECS.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    told: set[str] = set()
    for seed in range(6):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-c", PROGRAM]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        told.add(result.stdout)
    (text,) = told
    assert all(f"{name}.yaml" in text for name in SPECS)
