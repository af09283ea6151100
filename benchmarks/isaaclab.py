"""Is the task in Isaac Lab the task: one command, in an environment that has Isaac Lab.

::

    python -m locoenvs.benchmarks.isaaclab --out benchmarks/results/isaaclab-newton-cpu.json

- order: joints and feet are where the robot's own data puts them, name by name.
- air: 100 physics steps without contact, against native MuJoCo's.
- standing: what the feet carry, against the weight, and how they creep.
- friction: each robot slides on its feet with a coefficient of its own, which is measured.
- fresh: after an automatic reset the engine stands where the new episode says, and the other robots were left alone.
- rough: random actions on the rough task; everything that the vector API promises.
- panel: one policy on the held-out flat panel, beside its result on native MuJoCo.
- learn: two PPO updates with RSL-RL.

Every finished part is written at once, and a part that passed is not done again. The exit code is 1 if one fails.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mujoco
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.backends.isaaclab import requirements
from locoenvs.backends.mujoco.model import compile_model
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.evaluate import Result, compare, evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.machine import hardware, versions
from locoenvs.mdp.state import Readout
from locoenvs.policies.policy import load_policy
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.task import PDActuator, Task
from locoenvs.training.settings import TrainSettings

Part = Literal["order", "air", "standing", "friction", "fresh", "rough", "panel", "learn"]
PARTS: tuple[Part, ...] = ("order", "air", "standing", "friction", "fresh", "rough", "panel", "learn")

FLAT = "Loco/AnymalC-Flat-v0"
ROUGH = "Loco/AnymalC-Rough-v0"

LIMITS = {
    "joints_rad": 1e-6,
    "feet_m": 1e-4,
    "air_rad": 1e-3,
    "weight_share": 0.01,
    "friction_share": 0.05,
    "fresh": 1e-5,
    "fall_rate": 0.05,
    "velocity_error": 0.2,
}
"""What a part passes at."""


@dataclass(frozen=True)
class Where:
    """On which physics, and where."""

    physics: str
    device: str

    @contextmanager
    def env(self, task: Task, robots: int, **options: Any) -> Iterator[LocoVectorEnv]:
        """Isaac Lab has one simulation a process, so each is closed before the next is made."""
        env = LocoVectorEnv(
            task, robots, backend="isaaclab", device=self.device, options={"physics": self.physics}, **options
        )
        try:
            yield env
        finally:
            env.close()


def flat(robot: str = "AnymalC") -> Task:
    """The flat task with plain PD drives, which native MuJoCo evaluates itself."""
    return dataclasses.replace(task_of(f"Loco/{robot}-Flat-v0"), actuator=PDActuator())


def placed(env: LocoVectorEnv, start: Readout, friction: float | torch.Tensor = 1.0) -> None:
    """Put all robots there, without payload."""
    simulator: Any = env.simulator
    one = torch.ones(env.num_envs, device=simulator.device)
    simulator.configure(one * friction, one * 0)
    simulator.place(None, one > 0, start)


def begin(env: LocoVectorEnv, height: float, **fields: torch.Tensor) -> Readout:
    """All robots in their default pose, level and at rest with the base at (0, 0, height), but for ``fields``."""
    env.reset(seed=0)
    readout = env.state.episodes.readout
    still = {field.name: torch.zeros_like(getattr(readout, field.name)) for field in dataclasses.fields(Readout)}
    still["base_position"][:, 2] = height
    still["base_quaternion"][:, 0] = 1.0
    still["joint_position"] += env.mdp.default_pose
    return Readout(**{**still, **fields})


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
        found = simulator.lab.adapter.read(simulator.lab.robot.data, "body_link_pose_w")[:, feet, :3].cpu().numpy()
        back = simulator._joint_state()[0].cpu().numpy()
        engine = {"joints": list(simulator.lab.robot.joint_names), "bodies": names}
    model = compile_model(task, env.mdp.height_map)
    data = mujoco.MjData(model)
    expected = []
    for pose in joints:
        data.qpos[:] = [0, 0, 5, 1, 0, 0, 0, *pose]
        mujoco.mj_kinematics(model, data)
        expected.append([data.body(foot).xpos.copy() for foot in task.robot.feet])
    joint_error, foot_error = float(np.abs(back - joints).max()), float(np.abs(found - np.array(expected)).max())
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
        given = torch.linspace(low, high, robots, device=simulator.device)
        placed(env, begin(env, 0.55), given)
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
            placed(env, start, given)
            for _ in range(20):
                readout = simulator.advance(None, target)[1]
                force, speed = readout.contact_force[:, feet].cpu(), readout.foot_velocity.cpu()
                straight = speed[..., 1].abs() < 0.25 * speed[..., 0]
                sliding = (speed[..., 0] > 0.25) & straight & (force[..., 2] > 5.0)
                ratio = force[..., :2].norm(dim=-1) / force[..., 2].clamp(min=1.0)
                for robot in range(robots):
                    ratios[robot] += ratio[robot][sliding[robot]].tolist()
    measured = np.array([np.median(found) if found else np.nan for found in ratios])
    share = np.abs(measured / given.cpu().numpy() - 1)
    return {
        "given": given.tolist(),
        "measured": measured.tolist(),
        "friction_share": float(share.max()),
        "passed": bool(np.isfinite(share).all() and share.max() <= LIMITS["friction_share"]),
    }


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


def panel(where: Where, robots: int | None, policy: Path, native: Path) -> dict[str, Any]:
    """The flat panel, beside the result in ``native`` of the same policy on native MuJoCo."""
    whole = load_panel("flat")
    asked = whole if robots is None else dataclasses.replace(whole, num_robots=robots)
    loaded = load_policy(policy)
    result = evaluate(loaded, asked, "isaaclab", device=where.device, options={"physics": where.physics})
    falls, error = result.metrics["fall_rate"].value, result.metrics["velocity_error"].value
    found: dict[str, Any] = {
        "result": json.loads(result.to_json()),
        "passed": falls <= LIMITS["fall_rate"] and error <= LIMITS["velocity_error"],
    }
    if native.exists():
        beside = Result.from_json(native.read_bytes())
        same = (beside.panel_hash, beside.policy_sha256) == (result.panel_hash, result.policy_sha256)
        found["native"] = json.loads(beside.to_json()) if same else None
        found["differences"] = compare(beside, result) if same else None
        found["comparable"] = same
    return found


def learn(where: Where, robots: int) -> dict[str, Any]:
    """Two updates of RSL-RL's PPO on the rough task, as ``locoenvs train`` does them: on the physics that it would take."""
    from locoenvs.training.run import Run
    from locoenvs.wrappers.rsl_rl import train

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainSettings(
            ROUGH,
            actuator="pd",
            backend="isaaclab",
            device=where.device,
            num_envs=robots,
            updates=2,
            run=f"{folder}/run",
        )
        updates = [line for line in Run.open(train(ROUGH, settings)).records() if line["kind"] == "update"]
    losses = [line["losses"] for line in updates]
    finite = all(np.isfinite(value) for update in losses for value in update.values())
    return {"updates": len(updates), "losses": losses, "passed": finite and len(updates) == 2}


def main(
    parts: tuple[Part, ...] = PARTS,
    physics: str | None = None,
    device: str | None = None,
    robots: int = 16,
    rough_robots: int = 64,
    steps: int = 1000,
    panel_robots: int | None = None,
    policy: Path | None = None,
    native: Path | None = None,
    out: Path = Path("benchmarks/results/isaaclab.json"),
) -> None:
    """Verify the task in Isaac Lab.

    Args:
        parts: Which parts.
        physics: newton, physx or ovphysx; the first that is installed by default.
        device: cpu, cuda; the first GPU or the CPU by default.
        robots: Robots of the small parts.
        rough_robots: Robots on rough ground.
        steps: Control steps on rough ground.
        panel_robots: Robots of the panel; all of it by default.
        policy: Folder of the policy for the panel; the shipped flat one by default.
        native: The policy's result on native MuJoCo; evaluation.json beside it by default.
        out: File for the results, as JSON; a part that passed in it is not done again.
    """
    from locoenvs.policies.policy import POLICIES

    console = Console()
    found = requirements.find()
    where = Where(requirements.choose(found, physics), requirements.device(device))
    policy = policy or POLICIES / "anymal_c_flat"
    native = native or policy / "evaluation.json"
    run: dict[Part, Callable[[], dict[str, Any]]] = {
        "order": lambda: order(where, robots),
        "air": lambda: air(where, robots),
        "standing": lambda: standing(where, robots),
        "friction": lambda: friction(where, robots),
        "fresh": lambda: fresh(where, robots),
        "rough": lambda: rough(where, rough_robots, steps),
        "panel": lambda: panel(where, panel_robots, policy, native),
        "learn": lambda: learn(where, rough_robots),
    }
    report: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    done: dict[str, Any] = report.get("parts", {})
    if done and (report["physics"], report["device"]) != (where.physics, _device(where.device)):
        raise SystemExit(
            f"{out} has results of {report['physics']} on {report['device']}: name another file with --out for "
            f"{where.physics} on {_device(where.device)}"
        )
    if "learn" in parts and where.physics != requirements.choose(found, None):
        raise SystemExit(
            f"'locoenvs train' takes {requirements.choose(found, None)} here, not {where.physics}: leave out part 'learn'"
        )
    for part in parts:
        if done.get(part, {}).get("passed"):
            continue
        begun = time.perf_counter(), time.process_time()
        result = run[part]()
        result["wall_seconds"] = round(time.perf_counter() - begun[0], 1)
        result["cpu_seconds"] = round(time.process_time() - begun[1], 1)
        done[part] = result
        report.update(
            command=" ".join(["python -m locoenvs.benchmarks.isaaclab", *sys.argv[1:]]),
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            physics=where.physics,
            device=_device(where.device),
            hardware=hardware(),
            isaaclab={"release": found.major, "package": found.package},
            versions=_versions(),
            limits=LIMITS,
            parts=done,
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, lambda file: file.write((json.dumps(report, indent=1) + "\n").encode()))
        console.print(f"{part}: {'passed' if result['passed'] else 'FAILED'}", highlight=False)
    console.print(table(done, where))
    if "panel" in done and done["panel"].get("differences"):
        console.print(transfer(done["panel"]))
    if not all(done[part]["passed"] for part in parts):
        sys.exit(1)


def table(done: dict[str, Any], where: Where) -> Table:
    """The parts and their main numbers, for people."""
    made = Table("part", "", "numbers", title=f"the task in Isaac Lab, {where.physics} on {where.device}")
    for part, found in done.items():
        numbers = {
            key: value for key, value in found.items() if isinstance(value, int | float) and not isinstance(value, bool)
        }
        text = ", ".join(f"{key} {value:.3g}" for key, value in numbers.items() if not key.endswith("_seconds"))
        made.add_row(part, "passed" if found["passed"] else "FAILED", text)
    return made


def transfer(found: dict[str, Any]) -> Table:
    """One policy on two engines: what differs."""
    made = Table("metric", "native MuJoCo", "Isaac Lab", "difference", title="one policy on the held-out flat panel")
    for name, difference in found["differences"].items():
        native, here = (found[which]["metrics"][name] for which in ("native", "result"))
        made.add_row(name.replace("_", " "), _interval(native), _interval(here), f"{difference:+.3g}")
    return made


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return f"{estimate['value']:.3g}"
    return f"{estimate['value']:.3g} ({estimate['low']:.3g} to {estimate['high']:.3g})"


def _device(name: str) -> str:
    return "cpu" if name == "cpu" else f"{name}, {torch.cuda.get_device_name(name)}"


def _versions() -> dict[str, str]:
    return versions(
        "locoenvs",
        "torch",
        "newton",
        "warp-lang",
        "mujoco-warp",
        "mujoco",
        "ovphysx",
        "usd-core",
        "rsl-rl-lib",
        "numpy",
    )


if __name__ == "__main__":
    tyro.cli(main)
