"""Where a witness is known to be wrong, or to refuse: the one list of it, with the versions in which it was seen.

`test_witnesses_of_operators.py` fails when an entry no longer holds, so that the list stays true when versions change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from archc.ir.operator import IMAGE, SIGNAL, VOLUME
from tests.operators.cases import CASES, Case


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

_FOLD = Case("fold", {"output_size": [6, 7], "kernel_size": 2, "stride": [2, 3], "padding": [1, 0]}, ((8, 8),))

DISAGREEMENTS = (
    Disagreement(
        "torch.onnx", "torch 2.13.0", _DIVISOR, "computes something else", "it leaves divisor_override out"
    ),
    *(
        Disagreement("torch.onnx, older", "torch 2.13.0", case, "computes something else", "the same")
        for case in (
            _DIVISOR,
            Case("avg_pool2d", {"kernel_size": [2, 3], "divisor_override": 5}),
            Case("avg_pool3d", {"kernel_size": 2, "divisor_override": 3}, (VOLUME,)),
        )
    ),
    Disagreement(
        "torch.onnx, older", "torch 2.13.0", Case("narrow", {"dim": -1, "start": -4, "length": 4}),
        "computes something else", "it slices from -4 up to 0, which is nothing"
    ),
    *(
        Disagreement(
            "torch.onnx, older", "torch 2.13.0", Case("channel_shuffle", {"groups": groups}), "refuses",
            "it does not know the operator"
        )
        for groups in (1, 2, 3, 6)
    ),
    *(
        Disagreement("torch.onnx, older", "torch 2.13.0", case, "refuses", "the same")
        for case in CASES
        if case.word == "rms_norm"
    ),
    *(
        Disagreement(
            "torch.onnx, older", "torch 2.13.0", Case(word, {"output_size": size}, shapes), "refuses",
            "the output's size does not divide the input's"
        )
        for word, shapes, sizes in (
            ("adaptive_avg_pool1d", (SIGNAL,), (7, 23)),
            ("adaptive_avg_pool2d", (IMAGE,), ([4, 7], [10, 13], [2, 20])),
            ("adaptive_avg_pool3d", (VOLUME,), ([4, 2, 3], [2, 7, 7])),
            ("adaptive_max_pool2d", (IMAGE,), ([1, 2], [4, 5])),
        )
        for size in sizes
    ),
    *(
        Disagreement(
            "onnx.reference", "onnx 1.23.2", Case(word, {"output_size": 1}, (shape,)), "computes something else",
            "its GlobalMaxPool takes every value for an image"
        )
        for word, shape in (("adaptive_max_pool1d", SIGNAL), ("adaptive_max_pool3d", VOLUME))
    ),
    *(
        Disagreement(
            "onnx.reference", "onnx 1.23.2", case, "refuses",
            "its ConvTranspose divides the wrong axis of the weight into groups"
        )
        for case in CASES
        if "transpose" in case.word and case.fields.get("groups") == 2
    ),
    Disagreement(
        "torch.onnx, older", "torch 2.13.0", Case("roll", {"shifts": [7, 20], "dims": [1, 3]}),
        "computes something else", "it takes a shift by more than the size for one by all of it"
    ),
    Disagreement(
        "torch.onnx, older", "torch 2.13.0", _FOLD, "refuses",
        "its Col2Im has other windows"
    ),
    *(
        Disagreement(
            "onnx.reference", "onnx 1.23.2", case, "refuses", "its ConvTranspose takes several groups for one"
        )
        for case in (_FOLD, Case("fold", {"output_size": [4, 5], "kernel_size": 2}, ((12, 12),)))
    ),
    *(
        Disagreement(
            "torch.onnx, older", "torch 2.13.0", Case("interpolate", {**size, "mode": "nearest-exact"}), "refuses",
            "it does not know the mode"
        )
        for size in ({"scale_factor": 1.7}, {"size": [4, 20]})
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


@dataclass(frozen=True)
class Imprecision:
    """A kernel that is far less accurate than PyTorch's in float32, at one value."""

    witness: Literal["ONNX Runtime"]
    version: str
    case: Case
    at: float
    because: str


IMPRECISIONS = (
    Imprecision(
        "ONNX Runtime", "onnxruntime 1.32.0", Case("sigmoid"), -17.3, "small values are off by half a rounding of 1"
    ),
    Imprecision("ONNX Runtime", "onnxruntime 1.32.0", Case("silu"), -17.3, "the same"),
    Imprecision("ONNX Runtime", "onnxruntime 1.32.0", Case("elu"), -1e-4, "it computes exp(x) - 1, not expm1(x)"),
    Imprecision("ONNX Runtime", "onnxruntime 1.32.0", Case("selu"), -1e-4, "the same"),
)

FRACTIONAL_LRN: dict[str, Any] = {"size": 3, "alpha": 1.0, "beta": 0.5}
"""OpenVINO (2026.4.1) rounds the `bias` of an LRN down to a whole number, so archc writes a whole one."""
