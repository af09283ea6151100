"""What PPO's settings amount to on a task: samples, robot-seconds, reuse, and the memory that they take."""

from __future__ import annotations

from collections import Counter
from typing import Any

from locoenvs.machine import total_memory
from locoenvs.mdp.layout import layout
from locoenvs.mdp.terrain import column_shares
from locoenvs.tasks.task import Task
from locoenvs.training.ppo import PPOConfig

BYTES_PER_ROBOT = 40_000
"""What physics and the environment take of native MuJoCo, measured: 156 MB for 4096 robots."""


def geometry(ppo: PPOConfig, task: Task) -> dict[str, Any]:
    """The numbers of one update, those of the whole run, and how the robots are spread. A sample is one control step of one robot.

    "seconds_per_robot" is time of a robot in its episodes, "robot_seconds" that of all robots together. "observation_block" is
    [horizon T, robots N, numbers of an observation d]; a privileged critic has another one of the same shape.
    """
    seconds = ppo.horizon * task.timing.control_dt
    steps = ppo.epochs * ppo.minibatches
    return {
        "num_envs": ppo.num_envs,
        "per_update": {
            "samples": ppo.samples_per_update,
            "seconds_per_robot": round(seconds, 6),
            "robot_seconds": round(seconds * ppo.num_envs, 3),
            "observation_block": [ppo.horizon, ppo.num_envs, observation_size(task)],
            "minibatch_size": ppo.samples_per_update // ppo.minibatches,
            "sample_reuse": ppo.epochs,
            "gradient_steps": steps,
        },
        "whole_run": {
            "updates": ppo.updates,
            "samples": ppo.samples_per_update * ppo.updates,
            "seconds_per_robot": round(seconds * ppo.updates, 3),
            "robot_seconds": round(seconds * ppo.num_envs * ppo.updates, 1),
            "gradient_steps": steps * ppo.updates,
        },
        "robots": {"seed_families": _families(ppo.num_envs, task), "terrain": _terrain(ppo.num_envs, task)},
    }


def observation_size(task: Task) -> int:
    """How many numbers an observation has."""
    return layout(task)[-1].stop


def _families(robots: int, task: Task) -> dict[str, int]:
    """How many families robots belong to (robot modulo F, see :mod:`locoenvs.numerics.rng`), and the fewest and most robots of one."""
    used = min(robots, task.seed_families)
    return {"families": used, "fewest_robots": robots // used, "most_robots": -(-robots // used)}


def _terrain(robots: int, task: Task) -> dict[str, int]:
    """How many robots stand on each kind of ground: robot i on column i modulo the columns, and it stays there."""
    if task.terrain.kind == "plane":
        return {"plane": robots}
    kinds = [share.kind for share in column_shares(task.terrain)]
    return dict(Counter(kinds[robot % len(kinds)] for robot in range(robots)))


def memory_needed(ppo: PPOConfig, task: Task) -> int:
    """About how many bytes the robots of native MuJoCo and their rollouts take, without what the libraries take themselves."""
    sample = 4 * 3 * (task.observations.heights.size if task.observations.heights else 0) + 4 * 3 * 80
    return ppo.num_envs * (BYTES_PER_ROBOT + ppo.horizon * sample)


def check_memory(ppo: PPOConfig, task: Task) -> None:
    """Raise ValueError for more robots than this machine's memory can hold with their rollouts."""
    needed, there = memory_needed(ppo, task), total_memory()
    if there is not None and needed > there:
        raise ValueError(
            f"num_envs={ppo.num_envs}: robots and their rollouts of {ppo.horizon} steps would take about {needed / 1e9:.0f} GB, "
            f"this machine has {there / 1e9:.0f} GB: at most {int(ppo.num_envs * there / needed)} fit"
        )
