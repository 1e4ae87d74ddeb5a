"""Where the bundled specs are."""

from functools import cache
from pathlib import Path


@cache
def specs_folder() -> Path:
    """The folder of the bundled specs: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "specs"
    return installed if installed.is_dir() else package.parent / "specs"


def bundled_specs() -> dict[str, Path]:
    """Every bundled spec by name; one with the keys of timm's network is `timm/NAME`."""
    folder = specs_folder()
    paths = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("timm/*.yaml"))]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
