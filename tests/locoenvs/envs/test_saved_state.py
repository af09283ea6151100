"""What was saved by another environment is refused in words, and changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv

A1 = task_of("Loco/A1-Flat-v0")


def changed(saved: dict[str, np.ndarray], **values: Any) -> dict[str, np.ndarray]:
    made = {name: value for name, value in saved.items() if values.get(name.replace(".", "_"), 0) is not None}
    return made | {name.replace("_", ".", 1): value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clock": None}, "what was saved lacks 'clock'"),
        ({"physics_qpos": None}, "lacks 'physics.qpos'"),
        ({"physics_nonsense": np.zeros(3)}, "has 'physics.nonsense', which this backend does not know"),
        (
            {"physics_qpos": np.zeros((4, 3))},
            r"'physics.qpos' of float64 \(4, 3\), this environment's is float64 \(4, 19\)",
        ),
        ({"physics_qvel": np.full((4, 18), np.nan)}, "'physics.qvel' with numbers that are NaN or infinite"),
        ({"episodes_step": np.zeros(4)}, r"'episodes.step' of float64 \(4,\), this environment's is int32"),
        ({"episodes_robot": np.arange(3, dtype=np.int32)}, "has 3 robots, this environment 4"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], message: str) -> None:
    env = LocoVectorEnv(A1, 4, backend="mujoco")
    env.reset(seed=9)
    zero = np.zeros((4, 12), np.float32)
    for _ in range(3):
        env.step(zero)
    before = env.save()
    with pytest.raises(ValueError, match=message):
        env.restore(changed(before, **change))
    np.testing.assert_equal(env.save(), before)
    other = LocoVectorEnv(A1, 4, backend="mujoco")
    other.restore(before)
    np.testing.assert_equal(env.step(zero), other.step(zero))


def test_a_state_of_another_task_is_refused_and_one_of_version_0_1_0_is_not() -> None:
    env, other = (
        LocoVectorEnv(each, 4, backend="mujoco") for each in (A1, task_of("Loco/AnymalC-Flat-v0", actuator="pd"))
    )
    for each in (env, other):
        each.reset(seed=9)
    with pytest.raises(ValueError, match=f"is of task {other.task.hash}, this environment does task {A1.hash}"):
        env.restore(other.save())
    old = {name: value for name, value in env.save().items() if name != "task"}
    env.restore(old)


def test_a_state_that_does_not_fit_an_environment_that_was_not_reset_leaves_it_so() -> None:
    env = LocoVectorEnv(A1, 4, backend="mujoco")
    with pytest.raises(ValueError, match="lacks"):
        env.restore({})
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.save()
