"""How far the backends agree: same task, same draws, same actions, on every backend, against native MuJoCo.

::

    python -m locoenvs.benchmarks.parity --out benchmarks/results/parity.json
    python -m locoenvs.benchmarks.parity --backends mujoco isaaclab-newton  # where Isaac Lab and MuJoCo 3.17 are

- air: robots far above the ground swing their legs for 100 physics steps. No contact, so only arithmetic differs.
- plane, stairs: robots stand, then swing their legs until they stumble. Contact amplifies every difference, in any
  engine, so the numbers are when the joints come apart, and the difference of one control step from the same state.
- standing: the forces under a robot at rest, against its weight.
- panel, rough_panel: one policy on the held-out panel of its ground, on each backend. This is what sim-to-sim transfer amounts to.

Every finished part is written at once; a run that was cut short goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.panel import panel_of
from locoenvs.machine import measured_by
from locoenvs.mdp.mdp import prepare
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import ground_height, map_of
from locoenvs.numerics.arrays import convert
from locoenvs.policies.policy import POLICIES, load_policy
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Task, Terrain

PACKAGES = (
    "locoenvs",
    "mujoco",
    "mujoco-mjx",
    "jax",
    "jaxlib",
    "warp-lang",
    "newton",
    "mujoco-warp",
    "torch",
    "numpy",
)
"""All that takes part."""

Name = Literal["mujoco", "mjx-jax", "mjx-warp", "isaaclab-newton", "isaaclab-ovphysx"]
Part = Literal["air", "plane", "standing", "stairs", "panel", "rough_panel"]

BACKENDS: dict[str, tuple[str, dict[str, object]]] = {
    "mujoco": ("mujoco", {}),
    "mjx-jax": ("mjx", {"impl": "jax"}),
    "mjx-warp": ("mjx", {"impl": "warp"}),
    "isaaclab-newton": ("isaaclab", {"physics": "newton"}),
    "isaaclab-ovphysx": ("isaaclab", {"physics": "ovphysx"}),
}
"""Name -> backend and its options."""

FLAT = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
STAIRS = dataclasses.replace(
    task_of("Loco/AnymalC-Rough-v0", actuator="pd"),
    terrain=Terrain(
        levels=4, columns=2, border=4.0, shares=(TileShare("stairs_up", 0.5), TileShare("stairs_down", 0.5))
    ),
)
APART = 1e-3
"""Joints that differ by more than this are apart, rad."""
METRICS = ("fall_rate", "velocity_error", "yaw_rate_error", "cost_of_transport", "foot_slip", "success_rate")


@dataclass(frozen=True)
class Trace:
    """A rollout in numpy: the start, then what was read out after each control step, each (T, N, ...)."""

    start: Readout
    steps: list[Readout]

    def series(self, field: str) -> np.ndarray:
        return np.stack([getattr(step, field) for step in self.steps])


class Driver:
    """N robots of a task on one backend, told where to start and what to aim at, without any MDP."""

    def __init__(self, name: str, task: Task, robots: int, device: str | None) -> None:
        backend, options = BACKENDS[name]
        height_map = map_of(task)
        where = None if backend == "mujoco" else device
        self.simulator: Any = backends.build(backend, task, height_map, robots, where, options)
        self.task, self.robots = task, robots
        self._advance: Callable[..., Any] = self.simulator.advance
        if hasattr(self.simulator, "compile"):
            mdp = prepare(task, height_map, self.simulator.xp, self.simulator.device)
            self._advance = self.simulator.compile(lambda _, own, physics, target: own.advance(physics, target), mdp)

    def place(self, start: Readout) -> None:
        """Put all robots there, with friction 1 and no payload."""
        one = np.ones(self.robots, np.float32)
        self.simulator.configure(self._array(one), self._array(0 * one))
        begin = Readout(**{f.name: self._array(getattr(start, f.name)) for f in dataclasses.fields(Readout)})
        self._physics = self.simulator.place(self.simulator.initial(), self._array(one > 0), begin)

    def advance(self, target: np.ndarray) -> Readout:
        """One control step toward joint targets (N, J) rad."""
        self._physics, readout = self._advance(self._physics, self._array(target))
        return Readout(
            **{f.name: np.array(convert(getattr(readout, f.name), "numpy")) for f in dataclasses.fields(Readout)}
        )

    def rollout(self, start: Readout, targets: np.ndarray) -> Trace:
        """From ``start`` with targets (T, N, J)."""
        self.place(start)
        return Trace(start, [self.advance(target) for target in targets])

    def _array(self, value: np.ndarray) -> Any:
        return self.simulator.xp.asarray(np.array(value), device=self.simulator.device)


def standing(task: Task, position: np.ndarray) -> Readout:
    """Robots at rest in their default pose with the base at ``position`` (N, 3) m."""
    robot, count = task.robot, len(position)
    array = lambda values: np.tile(np.asarray(values, np.float32), (count, *[1] * np.ndim(values)))  # noqa: E731
    joints = [joint.default for joint in robot.joints]
    rest = np.zeros(len(joints))
    return Readout(
        base_position=position.astype(np.float32),
        base_quaternion=array([1, 0, 0, 0]),
        base_linear_velocity=array(np.zeros(3)),
        base_angular_velocity=array(np.zeros(3)),
        joint_position=array(joints),
        joint_velocity=array(rest),
        joint_torque=array(rest),
        contact_force=array(np.zeros((len(robot.contact_bodies), 3))),
        foot_velocity=array(np.zeros((len(robot.feet), 3))),
        broken=np.zeros(count, bool),
    )


def swinging(task: Task, robots: int, steps: int, amplitude: float, rest: int = 0) -> np.ndarray:
    """Targets (T, N, J) that move every joint of every robot its own way, after ``rest`` steps of standing."""
    time, robot, joint = np.ogrid[:steps, :robots, : len(task.robot.joints)]
    swing = amplitude * np.sin(0.3 * (time - rest) + robot + joint) * (time >= rest)
    return (np.array([joint.default for joint in task.robot.joints]) + swing).astype(np.float32)


def compared(reference: Trace, other: Trace) -> dict[str, float | int | None]:
    """How far the joints of two rollouts are apart, worst joint of each robot."""
    gap = np.abs(reference.series("joint_position") - other.series("joint_position")).max(axis=-1)  # (T, N)
    apart = np.where((gap > APART).any(axis=0), (gap > APART).argmax(axis=0), len(gap))
    return {
        "largest_rad": float(gap.max()),
        "after_one_control_step_rad": float(gap[0].max()),
        "control_steps": len(gap),
        "robots": gap.shape[1],
        "first_apart": int(apart.min()) if apart.min() < len(gap) else None,
        "median_apart": int(np.median(apart)) if np.median(apart) < len(gap) else None,
        "never_apart": int((apart == len(gap)).sum()),
    }


def one_step(reference: Driver, other: Driver, trace: Trace, targets: np.ndarray) -> dict[str, float]:
    """The joints' differences after one control step, from the states of a rollout of the reference."""
    gaps = []
    for t in range(0, len(targets) - 1, 5):
        for driver in (reference, other):
            driver.place(trace.steps[t])
        ours, theirs = reference.advance(targets[t + 1]), other.advance(targets[t + 1])
        gaps.append(np.abs(ours.joint_position - theirs.joint_position).max(axis=-1))
    gap = np.concatenate(gaps)
    return {"median_rad": float(np.median(gap)), "p95_rad": float(np.quantile(gap, 0.95)), "states": len(gap)}


def trajectories(names: list[Name], task: Task, parts: list[Part], robots: int, device: str | None) -> dict[str, Any]:
    """The parts that are rollouts on one ground: part -> backend -> numbers, against the first backend."""
    drivers = {name: Driver(name, task, robots, device) for name in names}
    reference, comparisons = drivers[names[0]], dict[str, Any]()
    for part in parts:
        start, targets = scene(part, task, robots)
        traces = {name: driver.rollout(start, targets) for name, driver in drivers.items()}
        by_driver: dict[str, Any] = {}
        for name in names:
            if part == "standing":
                by_driver[name] = forces(task, traces[name])
            elif name != names[0]:
                by_driver[name] = compared(traces[names[0]], traces[name])
                if part != "air":
                    by_driver[name]["one_step"] = one_step(reference, drivers[name], traces[names[0]], targets)
        comparisons[part] = by_driver
    for driver in drivers.values():
        driver.simulator.close()  # Isaac Lab has one simulation a process
    return comparisons


def scene(part: Part, task: Task, robots: int) -> tuple[Readout, np.ndarray]:
    """Where the robots of a part start, and what they aim at."""
    position = np.zeros((robots, 3))
    if part == "air":
        position[:, 2] = 100.0
        start = standing(task, position)
        spin = np.tile(np.array([0.5, -0.4, 0.3], np.float32), (robots, 1))
        return dataclasses.replace(start, base_angular_velocity=spin), swinging(task, robots, 25, 0.5)
    if part == "stairs":
        ground = map_of(task)
        centers = ground.tile_centers.reshape(-1, 3)
        xy = centers[np.arange(robots) % len(centers), :2] + np.random.default_rng(0).uniform(-2.5, 2.5, (robots, 2))
        # Above the highest ground under the robot: a mesh is a surface, and lets go of what begins below it.
        under = np.stack(np.meshgrid(*[np.linspace(-0.65, 0.65, 14)] * 2), axis=-1).reshape(-1, 2)
        x, y = np.moveaxis(xy[:, None] + under, -1, 0).astype(np.float32)
        z = ground_height(ground.heights, ground.origin, ground.cell, x, y).max(axis=-1)
        position = np.column_stack([xy, z + 0.55])
        return standing(task, position), swinging(task, robots, 75, 0.2, rest=25)
    position[:, 2] = 0.53
    amplitude = 0.0 if part == "standing" else 0.2
    return standing(task, position), swinging(task, robots, 100, amplitude, rest=25)


def forces(task: Task, trace: Trace) -> dict[str, Any]:
    """What a standing robot's feet carry in the end, N."""
    feet = [task.robot.contact_bodies.index(foot) for foot in task.robot.feet]
    last = trace.steps[-1].contact_force.mean(axis=0)
    return {
        "weight": round(task.robot.mass * 9.81, 3),
        "all_contacts": np.round(last.sum(axis=0), 3).tolist(),
        "each_foot_up": np.round(last[feet, 2], 3).tolist(),
        "foot_creep_m_per_s": float(np.abs(trace.steps[-1].foot_velocity).max()),
    }


def panels(name: Name, robots: int | None, device: str | None, policy: Path) -> dict[str, Any]:
    """The panel of its ground under one policy."""
    backend, options = BACKENDS[name]
    walks = load_policy(policy)
    panel = panel_of(walks.task)
    if robots is not None:
        panel = dataclasses.replace(panel, num_robots=robots)
    where = None if backend == "mujoco" else device
    result = evaluate(walks, panel, backend, device=where, options=options)
    kept = {metric: dataclasses.asdict(result.metrics[metric]) for metric in METRICS if metric in result.metrics}
    return {**kept, "robots": result.num_robots, "panel": result.panel_hash, "wall_seconds": result.wall_seconds}


def parity(
    backends: tuple[Name, ...] = ("mujoco", "mjx-jax", "mjx-warp"),
    parts: tuple[Part, ...] = ("air", "plane", "standing", "stairs", "panel", "rough_panel"),
    robots: int = 16,
    panel_robots: int | None = None,
    device: str | None = None,
    policy: Path = POLICIES / "anymal_c_flat",
    rough_policy: Path = POLICIES / "anymal_c_rough_lstm",
    out: Path = Path("benchmarks/results/parity.json"),
) -> dict[str, Any]:
    """Compare backends with the first one.

    Args:
        backends: Which; the others are compared with the first.
        parts: Which comparisons.
        robots: Robots of the rollouts.
        panel_robots: Robots of the panel; all of it by default.
        device: Where MJX and Isaac Lab run: cpu, cuda; the GPU if there is one by default.
        policy: Folder of the policy for the panel.
        rough_policy: That for the panel on rough ground.
        out: File for the results, as JSON; what is in it is not done again.
    """
    console = Console()
    report = reports.read(out)
    done: dict[str, Any] = report.get("parts", {})

    def keep(part: str, outcome: dict[str, Any]) -> None:
        done.setdefault(part, {}).update(outcome)
        report.update(measured_by("parity", *PACKAGES), parts=done)
        reports.write(out, report)

    def missing(part: str) -> list[Name]:
        return [name for name in backends if name not in done.get(part, {})]

    grounds: list[tuple[Task, list[Part]]] = [
        (FLAT, [part for part in parts if part in ("air", "plane", "standing")]),
        (STAIRS, [part for part in parts if part == "stairs"]),
    ]
    for task, wanted in grounds:
        for name in backends[1:]:
            todo = [part for part in wanted if name in missing(part)]
            if todo:
                console.print(f"{', '.join(todo)}: {name} against {backends[0]}", highlight=False)
                for part, found in trajectories([backends[0], name], task, todo, robots, device).items():
                    keep(part, found)
    judged: dict[Part, Path] = {"panel": policy, "rough_panel": rough_policy}
    for part, walks in judged.items():
        for name in missing(part) if part in parts else ():
            console.print(f"{part}: {name}", highlight=False)
            keep(part, {name: panels(name, panel_robots, device, walks)})
    for table in tables(done, backends[0]):
        console.print(table)
    return report


def tables(done: dict[str, Any], reference: str) -> list[Table]:
    """The results for reading."""
    rollouts = Table(title=f"joints against {reference}: control steps until they are {APART} rad apart, and the gap")
    for column in ("part", "backend", "first robot", "median robot", "never", "largest, rad", "one step: median, 95 %"):
        rollouts.add_column(column)
    for part in ("air", "plane", "stairs"):
        for name, numbers in done.get(part, {}).items():
            step = numbers.get("one_step")
            rollouts.add_row(
                part, name, _or_never(numbers["first_apart"]), _or_never(numbers["median_apart"]),
                f"{numbers['never_apart']} of {numbers['robots']}", f"{numbers['largest_rad']:.1e}",
                "" if step is None else f"{step['median_rad']:.1e}, {step['p95_rad']:.1e} rad",
            )  # fmt: skip
    feet = Table("backend", "sum up, N", "weight, N", "each foot, N", "creep, m/s", title="a standing robot")
    for name, numbers in done.get("standing", {}).items():
        each = ", ".join(f"{force:.1f}" for force in numbers["each_foot_up"])
        feet.add_row(
            name,
            f"{numbers['all_contacts'][2]:.1f}",
            f"{numbers['weight']:.1f}",
            each,
            f"{numbers['foot_creep_m_per_s']:.4f}",
        )
    panel = Table(
        "part",
        "backend",
        "robots",
        *METRICS,
        title="one policy on the held-out panel of its ground, with 95 % intervals",
    )
    for part in ("panel", "rough_panel"):
        for name, numbers in done.get(part, {}).items():
            cells = [
                f"{numbers[m]['value']:.3f} ({numbers[m]['low']:.3f} to {numbers[m]['high']:.3f})"
                if m in numbers
                else ""
                for m in METRICS
            ]
            panel.add_row(part, name, str(numbers["robots"]), *cells)
    return [table for table in (rollouts, feet, panel) if table.row_count]


def _or_never(step: int | None) -> str:
    return "never" if step is None else str(step)


if __name__ == "__main__":
    tyro.cli(parity)
