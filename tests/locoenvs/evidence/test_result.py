"""A result as a file: what is written is read, and a wrong field is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from locoenvs.evidence.result import Result

SHIPPED = Path(__file__).parents[3] / "locoenvs" / "policies" / "shipped" / "anymal_c_flat" / "evaluation.json"


def test_a_wrong_field_of_a_result_is_named() -> None:
    document = json.loads(SHIPPED.read_text())
    assert Result.from_json(SHIPPED.read_bytes()).to_json() == SHIPPED.read_text()
    assert Result.from_json(json.dumps({**document, "options": {}})).options == {}
    for field in document:
        if field != "options":  # version 0.1.0 did not tell them
            with pytest.raises(ValueError, match=f"mine.json: {field}: Field required$"):
                Result.from_json(json.dumps({name: document[name] for name in document if name != field}), "mine.json")
        with pytest.raises(ValueError, match=f"mine.json: {field}: Input should be .*, got True"):
            Result.from_json(json.dumps({**document, field: True}), "mine.json")
    falls = document["metrics"]["fall_rate"]
    for metrics, message in (
        (
            {"fall_rate": {**falls, "value": "0.1"}},
            "metrics.fall_rate.value: Input should be a valid number, got '0.1'",
        ),
        ({"fall_rate": falls, "speed_of_light": falls}, "unknown metric 'speed_of_light'; there are success_rate"),
        ({"speed": falls}, "metrics without fall_rate"),
    ):
        for changed in ({"metrics": metrics}, {"strata": {"level": {"one": metrics}}}):
            with pytest.raises(ValueError, match=message.split(".")[-1] if "." in message else message):
                Result.from_json(json.dumps({**document, **changed}), "mine.json")
    for text in ("", "null", "[" * 10000, '{"panel": -Infinity}'):
        with pytest.raises(ValueError, match="mine.json is no"):
            Result.from_json(text, "mine.json")
