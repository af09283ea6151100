"""The benchmark of speed measures what it says."""

from __future__ import annotations

import itertools
import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from locoenvs.benchmarks import throughput
from locoenvs.benchmarks.throughput import Contest, Result, compared
from locoenvs.envs.registration import task
from locoenvs.policies.policy import save_policy


def zeros(observation: np.ndarray) -> np.ndarray:
    return np.zeros((len(observation), 12), np.float32)


def test_bare_physics_does_what_the_physics_of_the_environment_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "SETTLE", 0)
    contest = Contest("Loco/AnymalC-Flat-v0", 4, zeros)
    before = contest.simulator.save(None)
    for _ in range(3):
        contest.env.step(zeros(contest.observation))
    contest._replay(before, [zeros(contest.observation)] * 3)
    for name in ("time", "qpos", "qvel"):
        assert np.array_equal(contest.bare.bind(name), contest.simulator.save(None)[name]), name
    contest.close()


def test_the_parts_sum_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second whenever it is looked at."""
    clock = itertools.count()
    monkeypatch.setattr(throughput, "time", types.SimpleNamespace(perf_counter=lambda: float(next(clock))))
    monkeypatch.setattr(throughput, "SETTLE", 0)
    watch = throughput._Stopwatch()
    with watch.time("outer"):
        with watch.time("inner"):
            pass
    assert watch.seconds == {"inner": 1.0, "outer": 2.0}
    contest = Contest("Loco/AnymalC-Rough-v0", 2, zeros)
    step, env_step, taken = contest.simulator.advance, contest.env.step, list[int]()

    def timed(action: np.ndarray) -> Any:
        begun = next(clock)
        returned = env_step(action)
        taken.append(1000 * (next(clock) - begun + 2))
        return returned

    monkeypatch.setattr(contest.env, "step", timed)
    parts = contest.milliseconds(100)
    assert sum(parts.values()) * len(taken) == pytest.approx(sum(taken))
    assert set(parts) >= {"physics", "readout", "height scan", "observation", "rewards", "resets"}
    assert all(value > 0 for value in parts.values())
    assert contest.simulator.advance == step  # nothing stays wrapped
    contest.close()


def test_it_runs_and_writes_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.protobuf")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(throughput, "SETTLE", 2)
    save_policy(tmp_path / "policy", task("Loco/AnymalC-Flat-v0"), [(np.zeros((12, 48)), np.zeros(12))])
    out = tmp_path / "results" / "throughput.json"
    throughput.throughput((4,), ("flat",), 0.05, 2, tmp_path / "policy", out)
    document = json.loads(out.read_text())
    assert set(document) >= {"command", "date", "hardware", "versions", "seconds", "repeats", "task_hashes"}
    random, policy = document["results"]
    assert (random["robots"], random["actions"], policy["actions"]) == (4, "random", "policy")
    assert set(random["control_steps_per_second"]) == {"whole", "bare", "sync", "async"}
    assert set(policy["control_steps_per_second"]) == {"whole", "bare"} == set(policy["repeats"])
    for name, rate in random["control_steps_per_second"].items():
        assert random["physics_steps_per_second"][name] == pytest.approx(4 * rate, abs=1)
        assert len(random["repeats"][name]) == 2 and min(random["repeats"][name]) > 0
    assert 0 < random["whole_to_bare"] and random["whole_to_best_separate"] > 0
    assert set(policy["skipped"]) == {"sync", "async"}
    assert 0 < random["make_seconds"] < 60 and 30 < random["memory_mb"] < 2000


def test_a_policy_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    pytest.importorskip("google.protobuf")
    pytest.importorskip("onnxruntime")
    save_policy(tmp_path, task("Loco/AnymalC-Flat-v0"), [(np.zeros((12, 48)), np.zeros(12))])
    assert throughput._policy("rough", tmp_path) is None and throughput._policy("flat", tmp_path) is not None


def test_large_batches_are_compared_with_the_fastest_separate_robots_of_their_ground() -> None:
    def result(environment: str, robots: int, actions: str = "random", **rates: float) -> Result:
        return Result(environment, robots, actions, rates, {}, 1.0, None, {}, {}, 0.0, 0.0)

    results = [
        result("a", 16, whole=100, sync=20, **{"async": 40}),
        result("a", 512, whole=400),
        result("b", 16, whole=90),
        result("a", 512, "policy", whole=800),  # robots that walk are faster to simulate than those that thrash
    ]
    assert [r.whole_to_best_separate for r in compared(results)] == [2.5, 10.0, None, None]
