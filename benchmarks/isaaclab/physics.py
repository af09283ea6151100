"""Is the physics the task's: order, air, standing, friction."""

from __future__ import annotations

import dataclasses
from typing import Any

import mujoco
import numpy as np
import torch

from locoenvs.backends.mujoco.model import compile_model
from locoenvs.benchmarks.isaaclab.plan import LIMITS
from locoenvs.benchmarks.isaaclab.robots import Where, begin, flat, placed


def order(where: Where, robots: int) -> dict[str, Any]:
    """Joints written and read in the task's order, and the feet where MuJoCo's kinematics of the same robot put them."""
    task = flat()
    with where.env(task, robots, array="torch") as env:
        rng = np.random.default_rng(0)
        lower, upper = (np.array([getattr(joint, end) for joint in task.robot.joints]) for end in ("lower", "upper"))
        joints = rng.uniform(np.maximum(lower, -1), np.minimum(upper, 1), (robots, len(lower)))
        simulator: Any = env.simulator
        position = torch.tensor(joints, dtype=torch.float32, device=simulator.device)
        placed(env, begin(env, 5.0, joint_position=position))
        simulator.lab.sim.forward()
        simulator.lab.scene.update(0.0)
        names = list(simulator.lab.robot.body_names)
        feet = [names.index(foot) for foot in task.robot.feet]
        positions = simulator.lab.release.read(simulator.lab.robot.data, "body_link_pose_w")[:, feet, :3].cpu().numpy()
        back = simulator._joint_state()[0].cpu().numpy()
        engine = {"joints": list(simulator.lab.robot.joint_names), "bodies": names}
    model = compile_model(task, env.mdp.height_map)
    data = mujoco.MjData(model)
    expected = []
    for pose in joints:
        data.qpos[:] = [0, 0, 5, 1, 0, 0, 0, *pose]
        mujoco.mj_kinematics(model, data)
        expected.append([data.body(foot).xpos.copy() for foot in task.robot.feet])
    joint_error, foot_error = float(np.abs(back - joints).max()), float(np.abs(positions - np.array(expected)).max())
    return {
        "joints_rad": joint_error,
        "feet_m": foot_error,
        "engine_order": engine,
        "passed": joint_error <= LIMITS["joints_rad"] and foot_error <= LIMITS["feet_m"],
    }


def air(where: Where, robots: int) -> dict[str, Any]:
    """Robots far above the ground, turning and swinging all legs, for 25 control steps of 4 physics steps."""
    task, steps = flat(), 25
    rng = np.random.default_rng(0)
    targets = rng.uniform(-0.5, 0.5, (steps, robots, len(task.robot.joints))) + [j.default for j in task.robot.joints]
    spin = rng.uniform(-0.5, 0.5, (robots, 3))
    ours = []
    with where.env(task, robots, array="torch") as env:
        simulator: Any = env.simulator
        tensor = lambda values: torch.tensor(values, dtype=torch.float32, device=simulator.device)  # noqa: E731
        placed(env, begin(env, 100.0, base_angular_velocity=tensor(spin)))
        for target in targets:
            readout = simulator.advance(None, tensor(target))[1]
            ours.append((readout.joint_position.cpu().numpy(), readout.base_position.cpu().numpy()))
    model = compile_model(task, env.mdp.height_map)
    joints, bases = np.zeros(steps), np.zeros(steps)
    for robot in range(robots):
        data = mujoco.MjData(model)
        data.qpos[:] = [0, 0, 100, 1, 0, 0, 0, *(joint.default for joint in task.robot.joints)]
        data.qvel[3:6] = spin[robot]
        for t in range(steps):
            data.ctrl[:] = targets[t, robot]
            mujoco.mj_step(model, data, task.timing.decimation)
            joints[t] = max(joints[t], np.abs(ours[t][0][robot] - data.qpos[7:]).max())
            bases[t] = max(bases[t], np.abs(ours[t][1][robot] - data.qpos[:3]).max())
    return {
        "physics_steps": steps * task.timing.decimation,
        "joints_rad": float(joints.max()),
        "base_m": float(bases.max()),
        "passed": bool(joints.max() <= LIMITS["air_rad"]),
    }


def standing(where: Where, robots: int) -> dict[str, Any]:
    """Robots that hold their default pose for 4 s: mean force over the last half second, and the feet's creep."""
    task = flat()
    with where.env(task, robots, array="torch") as env:
        simulator: Any = env.simulator
        placed(env, begin(env, 0.55))
        target = env.mdp.default_pose.expand(robots, -1)
        up, creep = [], []
        for step in range(200):
            readout = simulator.advance(None, target)[1]
            if step >= 175:
                up.append(readout.contact_force.sum(dim=1).cpu().numpy())
                creep.append(readout.foot_velocity[..., :2].norm(dim=-1).mean().item())
        feet = [task.robot.contact_bodies.index(foot) for foot in task.robot.feet]
        each = readout.contact_force[:, feet, 2].mean(dim=0).tolist()
    weight, force = task.robot.mass * 9.81, np.mean(up, axis=0)
    error = float(np.abs(force[:, 2] / weight - 1).max())
    return {
        "weight_n": weight,
        "up_n": float(force[:, 2].mean()),
        "sideways_n": float(np.abs(force[:, :2]).max()),
        "each_foot_n": each,
        "creep_m_per_s": float(np.mean(creep)),
        "base_height_m": float(readout.base_position[:, 2].mean()),
        "weight_share": error,
        "passed": error <= LIMITS["weight_share"],
    }


def friction(where: Where, robots: int) -> dict[str, Any]:
    """Robots that stand are given a speed as a whole; the ratio of the forces on feet that slide is the coefficient."""
    task = flat()
    low, high = task.randomization.friction
    with where.env(task, robots, array="torch") as env:
        simulator: Any = env.simulator
        coefficients = torch.linspace(low, high, robots, device=simulator.device)
        placed(env, begin(env, 0.55), coefficients)
        target = env.mdp.default_pose.expand(robots, -1)
        for _ in range(100):
            still = simulator.advance(None, target)[1]
        level = torch.zeros_like(still.base_quaternion)
        level[:, 0] = 1.0
        feet = [task.robot.contact_bodies.index(foot) for foot in task.robot.feet]
        ratios: list[list[float]] = [[] for _ in range(robots)]
        for begins_at in (1.0, 2.0, 3.0):
            forward = torch.zeros_like(still.base_linear_velocity)
            forward[:, 0] = begins_at
            start = dataclasses.replace(
                still,
                base_quaternion=level,
                base_linear_velocity=forward,
                base_angular_velocity=forward * 0,
                joint_velocity=still.joint_velocity * 0,
            )
            placed(env, start, coefficients)
            for _ in range(20):
                readout = simulator.advance(None, target)[1]
                force, speed = readout.contact_force[:, feet].cpu(), readout.foot_velocity.cpu()
                straight = speed[..., 1].abs() < 0.25 * speed[..., 0]
                sliding = (speed[..., 0] > 0.25) & straight & (force[..., 2] > 5.0)
                ratio = force[..., :2].norm(dim=-1) / force[..., 2].clamp(min=1.0)
                for robot in range(robots):
                    ratios[robot] += ratio[robot][sliding[robot]].tolist()
    measured = np.array([np.median(each) if each else np.nan for each in ratios])
    share = np.abs(measured / coefficients.cpu().numpy() - 1)
    return {
        "given": coefficients.tolist(),
        "measured": measured.tolist(),
        "friction_share": float(share.max()),
        "passed": bool(np.isfinite(share).all() and share.max() <= LIMITS["friction_share"]),
    }
