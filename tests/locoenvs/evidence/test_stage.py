"""The piece of a map that a video shows has the tiles that were asked for, and its robots stand on them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import viewed
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.stage import one_column, one_of_each
from locoenvs.tasks.task import Task

pytest.importorskip("mujoco")


def tiles_of(task: Task, robots: list[int]) -> list[tuple[str, int]]:
    """Kind and level of the tile below each robot."""
    env = LocoVectorEnv(task, 1 + max(robots), backend="mujoco", stagger=False)
    env.reset(seed=0)
    ground, places = env.mdp.height_map, env.state.episodes.readout.base_position[robots, :2]
    away = np.linalg.norm(ground.tile_centers[None, ..., :2] - places[:, None, None], axis=-1)
    assert away.min(axis=(1, 2)).max() < task.terrain.tile / 2
    nearest = [np.unravel_index(each.argmin(), each.shape) for each in away]
    env.close()
    return [(ground.kinds[column], int(level)) for level, column in nearest]


def test_one_robot_stands_on_each_kind_and_level() -> None:
    task, robots = one_of_each(viewed.tiles())
    assert sorted(tiles_of(task, robots)) == [(kind, level) for kind in ("slope_up", "stairs_up") for level in range(2)]
    assert not task.curriculum.enabled


def test_a_column_is_of_one_kind_as_hard_as_the_tasks_own() -> None:
    ground = viewed.tiles().terrain
    steps = dataclasses.replace(ground.shares[1], parameters={"riser": (0.11, 0.11)})
    own = dataclasses.replace(viewed.tiles(), terrain=dataclasses.replace(ground, shares=(ground.shares[0], steps)))
    task = one_column(own, "stairs_up")
    assert tiles_of(task, [0, 1]) == [("stairs_up", 0), ("stairs_up", 1)]
    assert task.terrain.shares[0].parameters["riser"] == (0.11, 0.11)
    assert [share.kind for share in one_column(own, "gaps").terrain.shares] == ["gaps"], "the task has none"
