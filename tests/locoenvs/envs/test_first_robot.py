"""A part of the robots, by the number of its first, is those robots of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from locoenvs.envs.registration import task as task_of
from locoenvs.envs.saved_state import rows_of, together
from locoenvs.envs.vector import LocoVectorEnv


def test_parts_are_the_rows_of_the_whole() -> None:
    """On rough ground, where columns and first levels follow from a robot's number, after steps and a reset."""
    task = task_of("Loco/AnymalC-Rough-v0", "walk")
    whole = LocoVectorEnv(task, 6, backend="mujoco")
    parts = [LocoVectorEnv(task, count, backend="mujoco", first_robot=first) for first, count in ((0, 2), (2, 4))]
    for env in (whole, *parts):
        env.reset(seed=3)
    actions = np.random.default_rng(0).normal(size=(3, 6, 12)).astype(np.float32)
    for action in actions:
        observation, reward, *_ = whole.step(action)
        found = [part.step(action[part.first_robot : part.first_robot + part.num_envs]) for part in parts]
        assert np.array_equal(observation, np.concatenate([each[0] for each in found]))
        assert np.array_equal(reward, np.concatenate([each[1] for each in found]))
    saved, joined = whole.save(), together([part.save() for part in parts])
    assert saved.keys() == joined.keys() and all(np.array_equal(saved[name], joined[name]) for name in saved)
    parts[1].restore(rows_of(saved, range(2, 6)))
    for env in (whole, *parts):
        env.close()


@pytest.mark.parametrize("first", [-1, 1.5, 2**31 - 1])
def test_a_first_robot_that_is_none_is_refused(first: object) -> None:
    with pytest.raises(ValueError, match="first_robot must be an integer of at least 0"):
        LocoVectorEnv(task_of("Loco/AnymalC-Flat-v0"), 2, first_robot=first)  # type: ignore[arg-type]
