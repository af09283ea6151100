"""Native MuJoCo on uneven ground: this project's own contact against MuJoCo's, and a plane, in turns in one run.

The shipped policies walk, so that the robots touch the ground as robots do. What counts are the ratios: the machine's speed
cancels out of them.

::

    python -m locoenvs.benchmarks.ground_contact --out benchmarks/results/ground_contact.json
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.machine import measured_by
from locoenvs.policies.policy import POLICIES, Policy, load_policy
from locoenvs.tasks.task import Task

FLAT, ROUGH = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"
CASES: dict[str, tuple[str, str, dict[str, object]]] = {
    "plane": (FLAT, "anymal_c_flat", {}),
    "mujoco": (ROUGH, "anymal_c_rough", {"contact": "mujoco"}),
    "triangles": (ROUGH, "anymal_c_rough", {"contact": "triangles"}),
}
"""Name -> environment, the policy that walks there, options of the backend."""


def with_cell(task: Task, cell: float) -> Task:
    """The task on ground whose heights are ``cell`` m apart."""
    return dataclasses.replace(task, terrain=dataclasses.replace(task.terrain, cell=cell))


@dataclass
class Case:
    """Robots on one ground with one contact, and what was measured of them."""

    env: LocoVectorEnv
    policy: Policy
    observation: np.ndarray
    physics: list[float] = field(default_factory=list)  # s a physics step of one robot, of each turn
    step: list[float] = field(default_factory=list)  # s a control step of one robot, of each turn
    contacts: list[int] = field(default_factory=list)
    iterations: list[int] = field(default_factory=list)

    @staticmethod
    def of(name: str, robots: int, threads: int, cell: float) -> Case:
        """Its robots have just been placed."""
        env_id, policy, options = CASES[name]
        task = with_cell(task_of(env_id, actuator="pd"), cell)
        env = LocoVectorEnv(task, robots, backend="mujoco", stagger=False, options={"threads": threads, **options})
        observation, _ = env.reset(seed=0)
        return Case(env, load_policy(POLICIES / policy), observation)

    def walk(self, steps: int) -> float:
        """The environment's s a control step of one robot, without what the policy takes."""
        seconds = 0.0
        for _ in range(steps):
            action = self.policy(self.observation)
            begin = time.perf_counter()
            self.observation, *_ = self.env.step(action)
            seconds += time.perf_counter() - begin
        return seconds / steps / self.env.num_envs

    def turn(self, steps: int) -> None:
        """Walk, then step physics alone from where the robots are, and put them back there."""
        self.step.append(self.walk(steps))
        simulator: Any = self.env.simulator
        decimation, saved, seconds = self.env.task.timing.decimation, simulator.save(None), 0.0
        for _ in range(steps):
            begin = time.perf_counter()
            simulator._batch.step(nstep=decimation)
            seconds += time.perf_counter() - begin
            simulator.restore(saved)
        self.physics.append(seconds / steps / decimation / self.env.num_envs)
        data = mujoco.MjData(simulator.model)
        for robot in range(min(64, self.env.num_envs)):
            for name in ("qpos", "qvel", "ctrl", "qacc_warmstart"):
                getattr(data, name)[:] = saved[name][robot]
            mujoco.mj_step(simulator.model, data)
            self.contacts.append(data.ncon)
            self.iterations.append(int(data.solver_niter[0]))


def ground_contact(
    robots: int = 512,
    steps: int = 10,
    repeats: int = 9,
    settle: int = 60,
    threads: int = 0,
    cell: float = 0.1,
    out: Path | None = None,
) -> dict[str, Any]:
    """Measure all three.

    Args:
        robots: Number of robots.
        steps: Control steps of a turn.
        repeats: Turns of each.
        settle: Control steps before anything is measured.
        threads: Threads of the simulator; 0 for one a core.
        cell: Distance of the ground's heights, m.
        out: File for the result, as JSON.
    """
    cases = {name: Case.of(name, robots, threads, cell) for name in CASES}
    for case in cases.values():
        case.walk(settle)
    for _ in range(repeats):
        for case in cases.values():
            case.turn(steps)
    by_contact = {
        name: {
            "physics_step_us": round(1e6 * statistics.median(case.physics), 2),
            "control_steps_per_second": round(1 / statistics.median(case.step)),
            "contacts": round(statistics.mean(case.contacts), 2),
            "newton_iterations": round(statistics.mean(case.iterations), 2),
        }
        for name, case in cases.items()
    }
    ratios = {
        f"{one} / {other}": {
            "physics": ratio(cases[one].physics, cases[other].physics),
            "environment": ratio(cases[one].step, cases[other].step),
        }
        for one, other in (("triangles", "plane"), ("mujoco", "plane"), ("mujoco", "triangles"))
    }
    result = {
        **measured_by("ground_contact", "locoenvs", "mujoco", "numba", "numpy"),
        "robots": robots,
        "cell": cell,
        "found": by_contact,
        "time_ratios": ratios,
    }
    for table in _tables(by_contact, ratios):
        Console().print(table)
    if out is not None:
        reports.write(out, result)
    return result


def ratio(one: list[float], other: list[float]) -> float:
    """The median over the turns."""
    return round(statistics.median(a / b for a, b in zip(one, other)), 3)


def _tables(by_contact: dict[str, dict[str, float]], ratios: dict[str, dict[str, float]]) -> list[Table]:
    each = Table("contact", "us a physics step", "control steps/s", "contacts", "Newton iterations")
    for name, values in by_contact.items():
        each.add_row(name, *map(str, values.values()))
    both = Table("time of", "physics", "environment")
    for name, values in ratios.items():
        both.add_row(name, *map(str, values.values()))
    return [each, both]


if __name__ == "__main__":
    tyro.cli(ground_contact)
