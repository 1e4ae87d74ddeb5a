"""What is measured inside one process: `python -m tests.campaigns.benchmarks.in_process NAME [WEIGHTS]` prints JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

Timings = dict[str, float]


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(works: Mapping[str, Callable[[], object]], runs: int) -> Timings:
    """The median of each, run in turn after one run that does not count."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: median(times) for name, times in taken.items()}


def elaboration() -> Timings:
    """Validate, elaborate and cost a parsed ResNet-50, against building it on the meta device; the first time too."""
    import torch

    from archc.builds.compilation import compile_spec
    from archc.builds.targets import find_target
    from archc.ir.cost import cost
    from archc.spec.loading import load_spec
    from tests.campaigns.benchmarks.handwritten import ResNet

    spec = load_spec(find_target("resnet50").spec)

    def build_on_meta() -> None:
        with torch.device("meta"):
            ResNet("resnet50")

    works = {"archc": lambda: cost(compile_spec(spec, {})), "meta": build_on_meta}
    first = {f"{name}, first time": seconds(work) for name, work in works.items()}
    return {**first, **in_turn(works, 30)}


def building(weights: str) -> Timings:
    """Build ResNet-50's module, fresh and from a file, against the hand-written class with fresh weights."""
    import archc
    from tests.campaigns.benchmarks.handwritten import ResNet

    return in_turn(
        {
            "archc, fresh": lambda: archc.build("resnet50"),
            "archc, from a file": lambda: archc.build("resnet50", weights=weights),
            "hand-written, fresh": lambda: ResNet("resnet50"),
        },
        15,
    )


def running(weights: str) -> Timings:
    """One image through ResNet-50, eager, against the hand-written class with the same weights."""
    import torch

    import archc
    from tests.campaigns.benchmarks.handwritten import ResNet

    compiled = archc.build("resnet50", weights=weights).eval()
    written = ResNet("resnet50").eval()
    written.load_state_dict(compiled.state_dict())
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(compiled(image), written(image))
        return in_turn({"archc": lambda: compiled(image), "hand-written": lambda: written(image)}, 60)


if __name__ == "__main__":
    works: dict[str, Callable[..., Timings]] = {"elaboration": elaboration, "building": building, "running": running}
    print(json.dumps(works[sys.argv[1]](*sys.argv[2:])))
