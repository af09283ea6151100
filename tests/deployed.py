"""What a robot's sensors would give of a simulated robot, and policies walking on them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics.rotation import heading, projected_gravity
from locoenvs.policies.deploy.runtime import Runtime
from locoenvs.policies.policy import Policy


def readings(env: LocoVectorEnv) -> dict[str, np.ndarray]:
    """Of the first robot of ``env``, by a Runtime's names."""
    episodes, mdp = env.state.episodes, env.mdp
    now = episodes.readout
    seen: dict[str, Any] = {
        "base_linear_velocity": now.base_linear_velocity,
        "base_angular_velocity": now.base_angular_velocity,
        "projected_gravity": projected_gravity(now.base_quaternion),
        "joint_position": now.joint_position,
        "joint_velocity": now.joint_velocity,
        "command": episodes.command[:, :3],
    }
    if mdp.task.observations.heights is not None:
        angle, place = heading(now.base_quaternion)[:, None], now.base_position
        forward, left = mdp.scan_points.T[:, None]
        x = place[:, :1] + np.cos(angle) * forward - np.sin(angle) * left
        y = place[:, 1:2] + np.sin(angle) * forward + np.cos(angle) * left
        ground = mdp.height_map
        seen["heights"] = place[:, 2:] - ground_height(mdp.ground, ground.origin, ground.cell, x, y)
    return {name: np.array(value[0], float) for name, value in seen.items()}


@dataclasses.dataclass
class Walk:
    """T steps of one robot that a Runtime drove: what it was given, and the actions of the environment's own policy."""

    times: list[float]
    begun: list[bool]
    seen: list[dict[str, np.ndarray]]
    own: np.ndarray  # (T, J) of the policy, for the environment's observation
    runtime: np.ndarray  # (T, J)


def walk(policy: Policy, folder: Path, steps: int, log: Path | None = None) -> Walk:
    """Let the runtime of the exported ``folder`` drive the first robot of the policy's own environment, without noise."""
    task = dataclasses.replace(policy.task, observations=policy.task.observations.perfect())
    env, run = LocoVectorEnv(task, 1, stagger=False, options={"threads": 1}), Runtime(folder, log=log)
    try:
        observation, _ = env.reset(seed=3)
        made, begins = Walk([], [], [], np.zeros(0), np.zeros(0)), True
        own, driven = list[np.ndarray](), list[np.ndarray]()
        for step in range(steps):
            if begins:
                run.reset()
                policy.reset()
            seen, time = readings(env), step * task.timing.control_dt
            targets = run.step(time, seen)
            assert not targets.fault, targets.fault
            np.testing.assert_array_equal(targets.position, run.default + task.robot.action_scale * run.action)
            made.times.append(time)
            made.begun.append(begins)
            made.seen.append(seen)
            own.append(policy(observation)[0])
            driven.append(run.action)
            observation, _, terminated, truncated, _ = env.step(run.action[None].astype(np.float32))
            begins = bool(terminated[0] | truncated[0])
        made.own, made.runtime = np.array(own), np.array(driven)
        return made
    finally:
        env.close()
        run.close()
