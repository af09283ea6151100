"""Which parts of the ``walk`` recipe help: each variant trained with several seeds and judged on the held-out panel.

::

    python -m locoenvs.benchmarks.learning --samples 1500000 --seeds 0 1 2
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks.learners import finished
from locoenvs.evaluate import evaluate
from locoenvs.machine import hardware, versions
from locoenvs.panel import load_panel
from locoenvs.policy import load_policy
from locoenvs.recipes import nearest
from locoenvs.registration import task as task_of
from locoenvs.run import write_atomically
from locoenvs.settings import TrainSettings
from locoenvs.task import Task
from locoenvs.wrappers.ppo import PPOConfig, config
from locoenvs.wrappers.rsl_rl import train

ENVIRONMENT = "Loco/AnymalC-Flat-v0"
METRICS = ("fall_rate", "velocity_error", "yaw_rate_error", "cost_of_transport", "foot_slip")

Variant = Callable[[], tuple[Task, PPOConfig]]


def walk() -> tuple[Task, PPOConfig]:
    """The recipe as it is."""
    task = task_of(ENVIRONMENT, "walk", "pd")
    return task, config(task)


def without_mirror() -> tuple[Task, PPOConfig]:
    """Plain networks."""
    task, ppo = walk()
    return task, dataclasses.replace(ppo, mirror=False)


def without_privileged_critic() -> tuple[Task, PPOConfig]:
    """A critic that sees the same noise as the policy."""
    task, ppo = walk()
    return task, dataclasses.replace(ppo, privileged=False)


def without_penalty_schedule() -> tuple[Task, PPOConfig]:
    """All penalties, pushes and command changes, and the cost of falls, from the first step."""
    task, ppo = walk()
    return dataclasses.replace(task, rewards=dataclasses.replace(task.rewards, penalty_schedule=None)), ppo


def many_robots() -> tuple[Task, PPOConfig]:
    """2048 robots, so a quarter of the updates for the same samples; the schedule counts samples, not steps."""
    task, ppo = walk()
    schedule = task.rewards.penalty_schedule
    assert schedule is not None
    factor = 2048 / ppo.num_envs
    slower = dataclasses.replace(schedule, control_steps=max(1, round(schedule.control_steps / factor)))
    task = dataclasses.replace(task, rewards=dataclasses.replace(task.rewards, penalty_schedule=slower))
    return task, dataclasses.replace(ppo, num_envs=2048)


def paper() -> tuple[Task, PPOConfig]:
    """The paper's task and its PPO, commands every 5 s as in the panel."""
    task = task_of(ENVIRONMENT, "paper", "pd")
    task = dataclasses.replace(task, commands=dataclasses.replace(task.commands, resample_every=5.0))
    return task, config(task)


VARIANTS: dict[str, Variant] = {
    variant.__name__: variant
    for variant in (
        walk,
        without_mirror,
        without_privileged_critic,
        without_penalty_schedule,
        many_robots,
        paper,
    )
}


def run(name: str, seed: int, samples: int, folder: Path) -> dict[str, object]:
    """Train one variant with one seed, or go on with it, and evaluate it."""
    place = folder / f"{name}-{seed}"
    task, ppo = VARIANTS[name]()
    updates = max(1, round(samples / ppo.samples_per_update))
    if not (place / "result.json").exists():
        resume = str(place) if (place / "recipe.json").exists() else None
        settings = TrainSettings(ENVIRONMENT, seed=seed, updates=updates, run=str(place), resume=resume)
        train(ENVIRONMENT, settings, task, ppo)
        lines = finished(place)
        result = evaluate(load_policy(place / "policy"), load_panel("flat"))
        summary = {
            "variant": name,
            "seed": seed,
            "samples": lines[-1]["samples"],
            "training_seconds": lines[-1]["elapsed_seconds"],
            "task_hash": task.hash,
            "panel_hash": result.panel_hash,
            **{metric: result.metrics[metric].value for metric in METRICS},
            "curve": [
                (line["samples"], line["terms_per_second"]["linear_velocity_tracking"])
                for line in lines[:: max(1, len(lines) // 50)]
            ],
        }
        write_atomically(place / "result.json", lambda file: file.write(json.dumps(summary).encode()))
    found = json.loads((place / "result.json").read_text())
    if found["samples"] != updates * ppo.samples_per_update:
        raise SystemExit(
            f"samples={samples}: the result in {place} is of {found['samples']}, not of "
            f"{updates * ppo.samples_per_update}. Choose another --folder, or remove that one"
        )
    return found


def main(
    variants: tuple[str, ...] = tuple(VARIANTS),
    seeds: tuple[int, ...] = (0, 1, 2),
    samples: int = 1_500_000,
    folder: Path = Path("runs/learning"),
    out: Path = Path("benchmarks/results/learning.json"),
) -> None:
    """Train and judge every variant with every seed.

    Args:
        variants: Which variants.
        seeds: Which seeds.
        samples: Samples of each training.
        folder: Where the runs go; what is done already is not done again.
        out: Where the result goes, as JSON.
    """
    for name in variants:
        if name not in VARIANTS:
            raise SystemExit(nearest("variant", name, list(VARIANTS)))
    results = [run(name, seed, samples, folder) for seed in seeds for name in variants]
    report = {
        "command": " ".join(["python -m locoenvs.benchmarks.learning", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "versions": versions("locoenvs", "mujoco", "torch", "rsl-rl-lib", "numpy"),
        "results": results,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, lambda file: file.write(json.dumps(report, indent=1).encode()))
    table = Table(
        "variant", "seeds", *METRICS, title=f"{samples / 1e6:g} M samples, held-out flat panel: median (worst)"
    )
    for name in variants:
        rows = [result for result in results if result["variant"] == name]
        cells = []
        for metric in METRICS:
            values = [float(str(row[metric])) for row in rows]
            cells.append(f"{statistics.median(values):.3f} ({max(values):.3f})")
        table.add_row(name, str(len(rows)), *cells)
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
