"""What a person may name."""

import pytest

from archc.builds.targets import find_specs, find_target
from archc.diagnostics import UsageError


@pytest.mark.parametrize("target", ["a" * 300, "a/" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_not_found(target: str) -> None:
    assert find_specs(target) == [target]
    with pytest.raises(UsageError, match="there is no spec"):
        find_target(target)
