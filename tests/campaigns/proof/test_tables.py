"""What is measured becomes rows."""

from typing import Any

from tests.campaigns.proof.tables import HEAD, row, why


def contender(seconds: float, *told: dict[str, Any]) -> dict[str, Any]:
    return {"seconds": [seconds], "peak_bytes": [500_000_000], "told": list(told)}


SHARPNESS = {"float32_share": 4e-7, "least_sensitive_block": "fc", "smallest_change_noticed_there": 2e-5}
REPORT = {"verdict": "passed", "sharpness": {"calibrated twin": SHARPNESS}, "comparisons": [{"reason": ""}]}
MEASURED = {
    "verified": contender(6.0, REPORT),
    "unverified": contender(1.0),
    "dynamo": contender(12.0, {"work": 10.0}),
    "older": contender(5.0, {"work": 4.0, "error": "RuntimeError: no"}),
}


def test_a_row_has_the_block_that_hides_most_and_ratios_to_those_that_ran() -> None:
    assert dict(zip(HEAD[1:10], row(MEASURED), strict=False)) == {
        "verdict": "passed",
        "float32 error": "4.0e-07",
        "smallest change noticed": "2.0e-05",
        "in the block": "fc",
        "verified": "6.00 s",
        "unverified": "1.00 s",
        "peak memory": "500 MB",
        "torch.onnx": "12.00 s",
        "older": "–",
    }
    assert row(MEASURED)[9:] == ["0.50", "–"]


def test_what_was_not_measured_is_told_with_the_reason() -> None:
    failed = {"error": "killed\nfor memory"}
    assert len(row(failed)) == len(row(MEASURED)) == len(HEAD) - 1
    assert row(failed)[0] == "not measured"
    assert why({"a": MEASURED, "b": failed}) == ["- a: older: RuntimeError: no", "- b: killed for memory"]
