"""What the environments gave when it was recorded they give still: every id by every drive that it has, on native MuJoCo.

``python tests/locoenvs/envs/test_recorded.py`` records it anew, after a change of what they are meant to give. Numbers are held rather
than hashes of them, since the last digits of a product depend on the CPU.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

import locoenvs
from locoenvs.envs.registration import IDS
from locoenvs.envs.vector import LocoVectorEnv

RECORDED = Path(__file__).with_name("recorded.json")
ROBOTS, STEPS = 8, 100
AT = (1, 2, 5, 10, 20, 50, 100)
"""Steps whose observations and rewards are kept."""

WITHIN = np.array([1e-6] * 6 + [1e-4])[:, None]
"""How far they may be off. Contacts make a last digit's difference in the actions 4e-6 by the hundredth step."""


def versions() -> dict[str, str]:
    return {"mujoco": mujoco.__version__, "numpy": np.__version__}


def drives(env_id: str) -> list[str]:
    return ["pd", "lstm"] if "Anymal" in env_id else ["pd"]


CASES = [(env_id, drive) for env_id in IDS for drive in drives(env_id)]


def steps(env_id: str, drive: str) -> dict[str, Any]:
    """A hundred steps with fixed random actions: who ends when, and at some steps all robots' rewards and a weighted mean of
    each one's observation."""
    env = LocoVectorEnv(locoenvs.task(env_id, actuator=drive), ROBOTS, backend="mujoco", options={"threads": 1})
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    actions = draw.uniform(-1, 1, (STEPS, *env.action_space.shape)).astype(np.float32)
    weights = draw.uniform(-1, 1, env.single_observation_space.shape)
    given: dict[str, Any] = {"ends": [], "observations": [], "rewards": []}
    for step, action in enumerate(actions, start=1):
        observation, reward, terminated, truncated, _ = env.step(action)
        given["ends"] += [[step, int(robot)] for robot in np.flatnonzero(terminated | truncated)]
        if step in AT:
            seen = observation.astype(np.float64) @ weights / len(weights)
            given["observations"].append([round(float(value), 7) for value in seen])
            given["rewards"].append([round(float(value), 7) for value in reward])
    env.close()
    return given


@pytest.mark.parametrize(("env_id", "drive"), CASES)
def test_a_hundred_steps_are_as_they_were_recorded(env_id: str, drive: str) -> None:
    recorded = json.loads(RECORDED.read_text())
    if versions() != recorded["versions"]:
        pytest.skip(f"recorded with {recorded['versions']}, here are {versions()}")
    given, wanted = steps(env_id, drive), recorded[env_id][drive]
    assert given["ends"] == wanted["ends"]
    for name in ("observations", "rewards"):
        off = np.abs(np.subtract(given[name], wanted[name]))
        assert (off <= WITHIN).all(), f"{name} of {ROBOTS} robots at the steps {AT} are off by {off}"


def record() -> None:
    lines = [f'"versions": {json.dumps(versions())}']
    for env_id in IDS:
        lines.append(f'"{env_id}": {json.dumps({drive: steps(env_id, drive) for drive in drives(env_id)})}')
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    record()
