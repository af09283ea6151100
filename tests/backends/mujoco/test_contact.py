"""The ground carries a walking robot as rigid, level ground does: feet hardly sink, and nothing pushes them sideways."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from locoenvs.cli import POLICIES
from locoenvs.policy import load_policy
from locoenvs.registration import task as task_of
from locoenvs.task import Task, TileShare
from locoenvs.vector import LocoVectorEnv

PLANE = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
GRID = dataclasses.replace(
    PLANE,
    terrain=dataclasses.replace(
        task_of("Loco/AnymalC-Rough-v0").terrain, levels=1, columns=4, shares=(TileShare("flat", 1.0),)
    ),
)


def contacts(task: Task, robots: int = 32, steps: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth m, normal force N and the vertical part of the normal of each contact while the shipped policy walks."""
    policy = load_policy(POLICIES / "anymal_c_flat")
    env = LocoVectorEnv(task, robots, stagger=False, options={"threads": 1})
    observation, _ = env.reset(seed=0)
    model, data, found = env.simulator.model, mujoco.MjData(env.simulator.model), []
    force = np.zeros(6)
    for count in range(steps):
        observation, *_ = env.step(policy(observation))
        if count < 100 or count % 10:
            continue
        for robot in range(robots):
            for name in ("qpos", "qvel", "ctrl"):
                getattr(data, name)[:] = env.simulator._batch.bind(name)[robot]
            mujoco.mj_forward(model, data)
            for index in range(data.ncon):
                mujoco.mj_contactForce(model, data, index, force)
                found.append((-data.contact[index].dist, force[0], abs(data.contact[index].frame[2])))
    env.close()
    depth, normal, vertical = np.array(found).T
    return depth, normal, vertical


@pytest.mark.parametrize("task", [PLANE, GRID], ids=["plane", "height grid"])
def test_feet_hardly_sink_and_level_ground_pushes_up(task: Task) -> None:
    depth, normal, vertical = contacts(task)
    sideways = np.sqrt(np.clip(1 - vertical**2, 0, None))
    assert len(depth) > 1000
    assert depth.mean() < 2.5e-3 and np.quantile(depth, 0.95) < 10e-3
    assert np.sum(normal * sideways) < 0.1 * np.sum(normal)
