"""The benchmark of the adapters measures what it says."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("stable_baselines3")

from locoenvs.benchmarks import adapters


def test_an_adapters_overhead_is_its_own_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def slow(env: Any) -> Any:
        def step() -> None:
            env.step(np.zeros((env.num_envs, adapters.JOINTS), np.float32))
            time.sleep(0.02)

        return step

    monkeypatch.setitem(adapters.ADAPTERS, "slow", (slow, "numpy"))
    out = tmp_path / "adapters.json"
    results = adapters.main(("rsl_rl", "sb3", "slow"), 8, 48, 0.5, steps=3, repeats=3, out=out)
    by_name = {result.learner: result for result in results}
    assert list(by_name) == ["rsl_rl", "sb3", "slow"] and by_name["slow"].milliseconds >= 20
    assert by_name["rsl_rl"].milliseconds < by_name["slow"].milliseconds
    written = json.loads(out.read_text())
    assert [row["learner"] for row in written["results"]] == list(by_name) and written["native_step_ms"] > 0
    slowest = written["results"][2]
    assert slowest["share_of_native_step"] == pytest.approx(
        slowest["milliseconds"] / written["native_step_ms"], rel=0.01
    )
    assert len(slowest["repeats"]) == 3


def test_the_instant_environment_ends_the_share_that_it_is_told_to() -> None:
    env = adapters.Instant(2000, 5, 0.1, "torch")
    observation, reward, terminated, truncated, info = env.step(None)
    assert observation.shape == (2000, 5) and 0.08 < float((terminated | truncated).float().mean()) < 0.12
    assert not bool((terminated & truncated).any()) and bool((info["time_outs"] == truncated).all())
    assert set(info["log"]) >= {"episodes", "episode_seconds", "level", "reward/linear_velocity_tracking"}
    assert 0.3 < float(truncated.sum() / info["_final_obs"].sum()) < 0.7
