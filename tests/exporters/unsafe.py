"""What archc says of an archive of PyTorch's that it does not load."""

from collections.abc import Callable
from pathlib import Path

import pytest

from archc.diagnostics import ExportError


def refusal(load: Callable[[Path], object], path: Path) -> str:
    """Why an archive is not loaded."""
    with pytest.raises(ExportError) as caught:
        load(path)
    (problem,) = caught.value.diagnostics
    assert problem.code == "unsafe-artefact"
    return problem.message.partition("is not loaded: ")[2]
