"""Whether the device's robots are those of native MuJoCo, and whether its memory stays what it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from locoenvs.benchmarks import parity
from locoenvs.benchmarks.gpu.device import environment, implementation, memory, random_actions, wait
from locoenvs.benchmarks.gpu.plan import ACTUATOR, IDS, Job
from locoenvs.envs.registration import make_vector
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rows import named_arrays
from locoenvs.tasks.task import Task


def check_parity(job: Job, task: Task, wanted: list[parity.Part]) -> dict[str, Any]:
    """Rollouts on one ground against native MuJoCo."""
    return parity.trajectories(["mujoco", implementation(job)], task, wanted, job.plan.check_robots, job.device)


def check_draws(job: Job) -> dict[str, Any]:
    """Which of the drawn quantities are not bit by bit those of native MuJoCo after a reset."""
    ours = environment(job, "rough", job.plan.check_robots)
    native = make_vector(IDS["rough"], job.plan.check_robots, actuator=ACTUATOR, backend="mujoco")
    for env in (ours, native):
        env.reset(seed=3)
    a, b = (dict(named_arrays(env.state.episodes)) for env in (ours, native))
    drawn = ("robot", "key", "step", "level", "column", "start_position")
    different = [name for name in drawn if not np.array_equal(convert(a[name], "numpy"), b[name])]
    # All of the command but the yaw rate, which follows from the heading by an arctangent.
    commands = convert(a["command"], "numpy")[:, [0, 1, 3]], b["command"][:, [0, 1, 3]]
    different += [] if np.array_equal(*commands) else ["command"]
    saved, theirs = ours.save(), native.save()
    different += [
        n for n in ("friction", "payload") if not np.array_equal(saved[f"physics.{n}"], theirs[f"physics.{n}"])
    ]
    for env in (ours, native):
        env.close()
    return {"different": different, "equal": not different}


def check_torch(job: Job) -> dict[str, Any]:
    """The same actions through torch and through jax: the largest difference of anything that a step returns."""
    import torch

    robots = job.plan.check_robots
    actions = np.random.default_rng(0).standard_normal((20, robots, 12), dtype=np.float32)
    env, seen = environment(job, "flat", robots), []
    for kind in ("jax", "torch"):
        env.array = kind
        env.reset(seed=1)
        rewards = []
        for action in actions:
            tensor = torch.tensor(action) if kind == "torch" else convert(action, "jax", env.simulator.device)
            if kind == "torch" and torch.cuda.is_available():
                tensor = tensor.cuda()
            observation, reward, *_ = env.step(tensor)
            tensor *= 0  # a caller goes on with its tensor
            rewards.append(np.concatenate([convert(observation, "numpy"), convert(reward, "numpy")[:, None]], axis=-1))
        seen.append(np.stack(rewards))
        where = str(observation.device)
    compiled = env._step.compilations  # type: ignore[attr-defined]
    env.close()
    return {
        "largest_difference": float(np.abs(seen[0] - seen[1]).max()),
        "torch_device": where,
        "compilations": compiled,
    }


def check_memory(job: Job) -> dict[str, Any]:
    """Device memory in use, early and after many steps."""
    plan = job.plan
    env = environment(job, "flat", plan.steady_robots)
    env.reset(seed=0)
    action = random_actions(env, 1)[0]
    used = []
    for step in range(plan.steady_steps + 1):
        env.step(action)
        if step in (plan.steady_steps // 100, plan.steady_steps):
            wait(env)
            used.append(memory(env))
    env.close()
    return {"steps": plan.steady_steps, "early": used[0], "late": used[1]}
