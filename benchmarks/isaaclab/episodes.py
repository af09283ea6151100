"""Are the episodes the task's: what an automatic reset leaves, and what the vector API promises."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from locoenvs.benchmarks.isaaclab.plan import LIMITS, ROUGH
from locoenvs.benchmarks.isaaclab.robots import Where, flat
from locoenvs.envs.vector import LocoVectorEnv


def fresh(where: Where, robots: int) -> dict[str, Any]:
    """Episodes of one second end here and there; the engine is asked where it stands after each such step."""
    task = dataclasses.replace(flat(), timing=dataclasses.replace(flat().timing, episode_length=1.0))
    worst: dict[str, float] = dict.fromkeys(("position", "quaternion", "joints", "velocity"), 0.0)
    moved, forces, resets = 0.0, 0.0, 0
    with where.env(task, robots, array="torch", split="train") as env:
        simulator: Any = env.simulator
        env.reset(seed=0)
        generator = torch.Generator().manual_seed(0)
        done = torch.zeros(robots, dtype=torch.bool, device=simulator.device)
        for _ in range(120):
            before = env.state.episodes.readout
            action = torch.randn(robots, env.mdp.num_joints, generator=generator).to(simulator.device)
            _, _, terminated, truncated, _ = env.step(action)
            after = env.state.episodes.readout
            if (
                done.any()
            ):  # the first step of these episodes: away from where they began, by no more than they can move
                step = (after.base_position - before.base_position)[done].norm(dim=-1)
                moved = max(moved, float(step.max()))
                forces = max(forces, float(after.contact_force[done].norm(dim=-1).max()))
            done = (terminated | truncated).clone()
            resets += int(done.sum())
            now = simulator._readout()
            for name, field in (("position", "base_position"), ("quaternion", "base_quaternion"),
                                ("joints", "joint_position"), ("velocity", "base_linear_velocity")):  # fmt: skip
                gap = (getattr(now, field) - getattr(after, field)).abs().max()
                worst[name] = max(worst[name], float(gap))
    passed = all(value <= LIMITS["fresh"] for value in worst.values()) and moved < 0.1 and resets > 0
    return {"worst": worst, "first_step_m": moved, "first_step_force_n": forces, "resets": resets, "passed": passed}


def rough(where: Where, robots: int, steps: int) -> dict[str, Any]:
    """Random actions on the rough task."""
    import gymnasium

    import locoenvs  # noqa: F401  registers the ids

    env: Any = gymnasium.make(
        ROUGH,
        num_envs=robots,
        actuator="pd",
        backend="isaaclab",
        device=where.device,
        options={"physics": where.physics},
    )
    problems: list[str] = []
    try:
        assert isinstance(env, LocoVectorEnv), "gymnasium.make must return the environment bare"
        observation, _ = env.reset(seed=0)
        reasons = np.zeros(len(env.reset_reasons), int)
        time_outs = 0
        rng = np.random.default_rng(0)
        kept, copy = observation, observation.copy()
        for step in range(steps):
            observation, reward, terminated, truncated, info = env.step(
                rng.normal(size=env.action_space.shape).astype(np.float32)
            )
            done = terminated | truncated
            total = np.sum(list(info["reward_terms"].values()), axis=0)
            promises = {
                "finite": all(np.isfinite(a).all() for a in (observation, reward, info["final_obs"])),
                "in the box": bool(env.observation_space.contains(observation)),
                "a returned array does not change": np.array_equal(kept, copy),
                "final_obs where done": np.array_equal(info["_final_obs"], done),
                "a time-out is no failure": np.array_equal(info["time_outs"], truncated & ~terminated),
                "reasons where done": np.array_equal(info["reset_reason"] > 0, done),
                "terms sum to the reward": np.allclose(np.maximum(total, 0), reward, atol=1e-4),
                "final_obs is the observation where not done": np.array_equal(info["final_obs"][~done], observation[~done]),
                "final_obs differs where done": not done.any() or not np.array_equal(
                    info["final_obs"][done], observation[done]
                ),
            }  # fmt: skip
            problems += [f"step {step}: {name}" for name, held in promises.items() if not held]
            reasons += np.bincount(info["reset_reason"], minlength=len(reasons))
            time_outs += int(info["time_outs"].sum())
            kept, copy = observation, observation.copy()
    finally:
        env.close()
    return {
        "robots": robots,
        "steps": steps,
        "problems": problems[:10],
        "reset_reasons": {name: int(count) for name, count in zip(env.reset_reasons[1:], reasons[1:])},
        "time_outs": time_outs,
        "passed": not problems,
    }
