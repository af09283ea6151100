"""No robot begins in the ground: measured by MuJoCo's own kinematics, on the hardest tiles of every kind."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.terrain import ground_height
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Curriculum
from locoenvs.tasks.vocabulary import TILE_KINDS

KINDS = tuple(TILE_KINDS)


@pytest.mark.parametrize("recipe", ["paper", "legged_gym"])
@pytest.mark.parametrize("env_id", sorted(IDS))
def test_no_sphere_begins_in_the_ground(env_id: str, recipe: str) -> None:
    task = task_of(env_id, recipe, "pd")
    if task.terrain.kind == "tiles":
        shares = tuple(TileShare(kind, 1 / len(KINDS)) for kind in KINDS)
        ground = dataclasses.replace(task.terrain, levels=2, columns=len(KINDS), shares=shares)
        task = dataclasses.replace(task, terrain=ground, curriculum=Curriculum(enabled=False))
    robots = 12 * 2 * len(KINDS)
    env = LocoVectorEnv(task, robots, backend="mujoco", stagger=False, options={"threads": 1})
    env.reset(seed=3)
    model, ground_map = env.simulator.model, env.mdp.height_map
    data, touching = mujoco.MjData(model), np.nonzero(model.geom_priority > 0)[0]
    centers = np.zeros((robots, len(touching), 3), np.float32)
    for robot in range(robots):
        data.qpos[:] = env.simulator._qpos[robot]
        mujoco.mj_kinematics(model, data)
        centers[robot] = data.geom_xpos[touching]
    radius = model.geom_size[touching, 0]
    depth = np.zeros((robots, len(touching)))
    for turn in np.arange(0, 2 * np.pi, np.pi / 9):
        for share in (0.0, 0.2, 0.5, 0.8, 0.99):  # of the radius, from below the center outwards
            x = centers[..., 0] + share * radius * np.cos(turn)
            y = centers[..., 1] + share * radius * np.sin(turn)
            under = ground_height(
                ground_map.heights, ground_map.origin, ground_map.cell, x.astype(np.float32), y.astype(np.float32)
            )
            depth = np.maximum(depth, under + radius * np.sqrt(1 - share**2) - centers[..., 2])
    assert depth.max() < 5e-3
    env.step(np.zeros((robots, env.mdp.num_joints), np.float32))
    assert np.abs(env.simulator._qvel[:, :3]).max() < 1.0, "nothing throws it"
    env.close()
