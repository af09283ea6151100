"""The comparison of contacts with uneven ground runs, made small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from locoenvs.benchmarks.ground_contact import CASES, ground_contact


def test_each_contact_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    out = tmp_path / "result.json"
    ground_contact(robots=4, steps=1, repeats=2, settle=40, threads=1, out=out)
    result = json.loads(out.read_text())
    assert set(result["found"]) == set(CASES)
    for values in result["found"].values():
        assert min(values.values()) > 0 and values["contacts"] < 10
    assert all(ratio > 0 for each in result["time_ratios"].values() for ratio in each.values())
