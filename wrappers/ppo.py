"""PPO's settings as the learners here take them, and what they amount to on a task."""

from __future__ import annotations

import dataclasses
from typing import Any

from locoenvs.machine import total_memory
from locoenvs.tasks.task import Task
from locoenvs.training.ppo import WALK_FLAT, WALK_ROUGH, PPOConfig, config

__all__ = ["WALK_FLAT", "WALK_ROUGH", "PPOConfig", "check_memory", "config", "geometry"]

_BYTES_PER_ROBOT = 40_000
"""What physics and the environment take of native MuJoCo, measured: 156 MB for 4096 robots."""


def check_memory(ppo: PPOConfig, task: Task) -> None:
    """Raise ValueError for more robots than this machine's memory can hold with their rollouts."""
    sample = 4 * 3 * (task.observations.heights.size if task.observations.heights else 0) + 4 * 3 * 80
    needed, there = ppo.num_envs * (_BYTES_PER_ROBOT + ppo.horizon * sample), total_memory()
    if there is not None and needed > there:
        raise ValueError(
            f"num_envs={ppo.num_envs}: robots and their rollouts of {ppo.horizon} steps would take about {needed / 1e9:.0f} GB, "
            f"this machine has {there / 1e9:.0f} GB: at most {int(ppo.num_envs * there / needed)} fit"
        )


def geometry(ppo: PPOConfig, task: Task) -> dict[str, Any]:
    """What the settings amount to: samples, robot-seconds, reuse."""
    samples = ppo.samples_per_update * ppo.updates
    return {
        "samples_per_update": ppo.samples_per_update,
        "minibatch_size": ppo.samples_per_update // ppo.minibatches,
        "sample_reuse": ppo.epochs,
        "samples": samples,
        "seconds_per_robot": round(samples / ppo.num_envs * task.timing.control_dt, 3),
        "robot_seconds": round(samples * task.timing.control_dt, 1),
        "robots_per_seed_family": ppo.num_envs / task.seed_families,
        **dataclasses.asdict(ppo),
    }
