"""How much work something is, as a number that does not depend on the machine."""

import sys
from collections.abc import Callable


def calls(work: Callable[[], object]) -> int:
    """How many functions are called meanwhile, built-in ones included."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
