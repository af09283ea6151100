"""What PPO's settings amount to, by the paper's numbers."""

from __future__ import annotations

import dataclasses
import json

import pytest

from locoenvs.envs.registration import task
from locoenvs.training import geometry as module
from locoenvs.training.geometry import check_memory, geometry
from locoenvs.training.ppo import PPOConfig, config

ROUGH, FLAT = (task(f"Loco/AnymalC-{ground}-v0") for ground in ("Rough", "Flat"))


def test_an_update_and_a_run_of_the_paper() -> None:
    """4096 robots of 24 steps of 0.02 s an update; 1500 updates, in which each robot walks 12 minutes."""
    found = geometry(config(ROUGH), ROUGH)
    assert found["per_update"] == {
        "samples": 98_304,
        "seconds_per_robot": 0.48,
        "robot_seconds": 1966.08,
        "observation_block": [24, 4096, 48 + 108],
        "minibatch_size": 24_576,
        "sample_reuse": 5,
        "gradient_steps": 20,
    }
    assert found["whole_run"] == {
        "updates": 1500,
        "samples": 147_456_000,
        "seconds_per_robot": 720.0,
        "robot_seconds": 2_949_120.0,
        "gradient_steps": 30_000,
    }
    assert found["num_envs"] == 4096 and json.loads(json.dumps(found)) == found


def test_how_robots_are_spread_over_families_and_ground() -> None:
    """128 families: 4096 robots are 32 each, 200 are one or two each, and 16 leave most families out."""
    spread = {n: geometry(PPOConfig(num_envs=n), ROUGH)["robots"] for n in (16, 200, 4096)}
    families = {n: tuple(each["seed_families"].values()) for n, each in spread.items()}
    assert families == {16: (16, 1, 1), 200: (128, 1, 2), 4096: (128, 32, 32)}
    shares = {share.kind for share in ROUGH.terrain.shares}
    assert all(sum(each["terrain"].values()) == n for n, each in spread.items())
    assert set(spread[4096]["terrain"]) == shares
    assert geometry(PPOConfig(num_envs=16), FLAT)["robots"]["terrain"] == {"plane": 16}


def test_robots_stand_where_they_are_said_to_stand() -> None:
    """By the same rule as the environment: robot i on column i modulo the columns."""
    narrow = dataclasses.replace(ROUGH, terrain=dataclasses.replace(ROUGH.terrain, columns=7, levels=1))
    kinds = [share.kind for share in module.column_shares(narrow.terrain)]
    found = geometry(PPOConfig(num_envs=9), narrow)["robots"]["terrain"]
    assert found == {kind: sum(kinds[robot % 7] == kind for robot in range(9)) for kind in dict.fromkeys(kinds)}


def test_more_robots_than_the_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "total_memory", lambda: 10**9)
    with pytest.raises(ValueError, match="num_envs=100000: .* about .* GB, this machine has 1 GB: at most [0-9]+ fit"):
        check_memory(PPOConfig(num_envs=100_000), ROUGH)
    monkeypatch.setattr(module, "total_memory", lambda: None)
    check_memory(PPOConfig(num_envs=100_000), ROUGH)
