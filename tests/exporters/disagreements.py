"""Where a witness is known to be wrong, or to refuse: the one list of it, with the versions in which it was seen.

`test_witnesses_of_operators.py` fails when an entry no longer holds, so that the list stays true when versions change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.exporters.onnx_cases import Case


@dataclass(frozen=True)
class Disagreement:
    """What a witness does with an operator whose right value PyTorch in float64 gives."""

    witness: Literal["torch.onnx", "torch.onnx, older", "onnx.reference"]
    version: str
    case: Case
    does: Literal["computes something else", "refuses"]
    because: str


_DIVISOR = Case("avg_pool2d", {"kernel_size": 2, "divisor_override": 3})
_LRN = [
    Case("local_response_norm", fields)
    for fields in (
        {"size": 5, "alpha": 0.5},
        {"size": 1, "alpha": 1.0, "beta": 0.5, "k": 2.0},
        {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 2.5},
        {"size": 9, "alpha": 1.0},
    )
]

DISAGREEMENTS = (
    Disagreement(
        "torch.onnx", "torch 2.13.0", _DIVISOR, "computes something else", "it leaves divisor_override out"
    ),
    *(
        Disagreement("torch.onnx, older", "torch 2.13.0", case, "computes something else", "the same")
        for case in (_DIVISOR, Case("avg_pool2d", {"kernel_size": [2, 3], "divisor_override": 5}))
    ),
    *(
        Disagreement(
            "torch.onnx, older", "torch 2.13.0", Case("channel_shuffle", {"groups": groups}), "refuses",
            "it does not know the operator"
        )
        for groups in (1, 2, 3)
    ),
    *(
        Disagreement(
            "torch.onnx, older", "torch 2.13.0", Case("adaptive_avg_pool2d", {"output_size": size}), "refuses",
            "the output's size does not divide the input's"
        )
        for size in ([4, 7], [10, 13])
    ),
    *(
        Disagreement(
            "onnx.reference", "onnx 1.23.2", case, "computes something else",
            "its LRN goes over as many channels as there are images"
        )
        for case in _LRN
    ),
    Disagreement(
        "onnx.reference", "onnx 1.23.2", Case("max_pool2d", {"kernel_size": [2, 3], "padding": [0, 1], "stride": 1}),
        "computes something else", "it exchanges height and width where their padding differs"
    ),
)  # fmt: skip
