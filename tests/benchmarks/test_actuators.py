"""The benchmark of the learned drive."""

from __future__ import annotations

import json
from pathlib import Path

from locoenvs.benchmarks.actuators import actuators


def test_a_small_run_measures_both_kinds_on_both_grounds(tmp_path: Path) -> None:
    out = tmp_path / "actuators.json"
    results = actuators(robots=4, steps=2, settle=1, repeats=3, out=out)

    assert [result["environment"] for result in results] == ["Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"]
    for result in results:
        rates, turns = result["control_steps_per_second"], result["repeats"]
        assert set(rates) == {"pd", "lstm"} and all(len(values) == 3 for values in turns.values())
        assert sorted(turns["pd"])[1] == rates["pd"]
    assert json.loads(out.read_text())["results"] == results
