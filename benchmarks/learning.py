"""What each choice of the ``walk`` recipe buys: each variant is trained with several seeds until it is good enough on the
validation streams, as ``make walk`` is, or for so many samples; then it is judged on the held-out panel.

::

    python -m locoenvs.benchmarks.learning --seeds 0 1 2
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.benchmarks.learners import finished, ledger, stopped_by_the_bar
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.audit import BAR
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.machine import hardware, versions
from locoenvs.policies.policy import load_policy
from locoenvs.tasks.names import nearest
from locoenvs.tasks.task import Task
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers.ppo import PPOConfig, config
from locoenvs.wrappers.rsl_rl import train

ENVIRONMENT = "Loco/AnymalC-Flat-v0"
VALIDATION = 1_228_800
"""Samples between two validations."""

METRICS = (*BAR, "cost_of_transport", "foot_slip")

Variant = Callable[[], tuple[Task, PPOConfig]]


def walk() -> tuple[Task, PPOConfig]:
    """The recipe as it is."""
    task = task_of(ENVIRONMENT, "walk", "pd")
    return task, config(task)


def earlier() -> tuple[Task, PPOConfig]:
    """Version 0.1.0's: larger networks, and a schedule twice as long."""
    task, ppo = walk()
    return _scheduled(task, 9600), dataclasses.replace(ppo, hidden=(256, 128, 64))


def larger_networks() -> tuple[Task, PPOConfig]:
    """256-128-64."""
    task, ppo = walk()
    return task, dataclasses.replace(ppo, hidden=(256, 128, 64))


def three_epochs() -> tuple[Task, PPOConfig]:
    """Each sample is used three times."""
    task, ppo = walk()
    return task, dataclasses.replace(ppo, epochs=3)


def shorter_schedule() -> tuple[Task, PPOConfig]:
    """Penalties and disturbances are whole after half of the control steps."""
    task, ppo = walk()
    return _scheduled(task, 2400), ppo


def longer_schedule() -> tuple[Task, PPOConfig]:
    """Penalties and disturbances are whole after twice the control steps."""
    task, ppo = walk()
    return _scheduled(task, 9600), ppo


def ten_milliseconds() -> tuple[Task, PPOConfig]:
    """Physics in steps of 10 ms; judged, as all, on steps of 5 ms."""
    task, ppo = walk()
    return dataclasses.replace(task, timing=dataclasses.replace(task.timing, physics_dt=0.01, decimation=2)), ppo


def long_horizon() -> tuple[Task, PPOConfig]:
    """Rollouts of 48 steps of half as many robots."""
    task, ppo = walk()
    return _scheduled(task, 9600), dataclasses.replace(ppo, num_envs=ppo.num_envs // 2, horizon=48)


def many_robots() -> tuple[Task, PPOConfig]:
    """2048 robots, so a quarter of the updates for the same samples; the schedule counts samples, not steps."""
    task, ppo = walk()
    return _scheduled(task, 1200), dataclasses.replace(ppo, num_envs=2048)


def low_learning_rate() -> tuple[Task, PPOConfig]:
    """At most 1e-3."""
    task, ppo = walk()
    return task, dataclasses.replace(ppo, max_learning_rate=1e-3)


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


def paper() -> tuple[Task, PPOConfig]:
    """The paper's task and its PPO, commands every 5 s as in the panel."""
    task = task_of(ENVIRONMENT, "paper", "pd")
    task = dataclasses.replace(task, commands=dataclasses.replace(task.commands, resample_every=5.0))
    return task, config(task)


def _scheduled(task: Task, control_steps: int) -> Task:
    """The task with penalties and disturbances that are whole after so many control steps."""
    schedule = task.rewards.penalty_schedule
    assert schedule is not None
    schedule = dataclasses.replace(schedule, control_steps=control_steps)
    return dataclasses.replace(task, rewards=dataclasses.replace(task.rewards, penalty_schedule=schedule))


VARIANTS: dict[str, Variant] = {
    variant.__name__: variant
    for variant in (
        walk,
        earlier,
        larger_networks,
        three_epochs,
        shorter_schedule,
        longer_schedule,
        ten_milliseconds,
        long_horizon,
        many_robots,
        low_learning_rate,
        without_mirror,
        without_privileged_critic,
        without_penalty_schedule,
        paper,
    )
}


def run(name: str, seed: int, samples: int, folder: Path) -> dict[str, object]:
    """Train one variant with one seed until it is good enough or has seen so many samples, or go on with it; then judge it."""
    place = folder / f"{name}-{seed}"
    task, ppo = VARIANTS[name]()
    updates = max(1, round(samples / ppo.samples_per_update))
    if not (place / "result.json").exists():
        resume = str(place) if (place / "recipe.json").exists() else None
        every = max(1, round(VALIDATION / ppo.samples_per_update))
        settings = TrainSettings(
            ENVIRONMENT, seed=seed, updates=updates, run=str(place), resume=resume, validate_every=every, until_bar=True
        )
        train(ENVIRONMENT, settings, task, ppo)
        lines = finished(place)
        result = evaluate(load_policy(place / "policy"), load_panel("flat"))
        summary = {
            "variant": name,
            "seed": seed,
            "asked": updates * ppo.samples_per_update,
            "samples": lines[-1]["samples"],
            "stopped_by_the_bar": stopped_by_the_bar(place),
            "training_seconds": lines[-1]["elapsed_seconds"],
            "update_seconds": {
                part: round(statistics.median(line["seconds"][part] for line in lines), 4)
                for part in ("environment", "inference", "learning")
            },
            "task_hash": task.hash,
            "panel_hash": result.panel_hash,
            **{metric: result.metrics[metric].value for metric in METRICS},
            "validations": [
                [line["update"] * ppo.samples_per_update, *(line["metrics"][metric] for metric in BAR)]
                for line in ledger(place, "validation")
            ],
        }
        reports.write(place / "result.json", summary, indent=None)
    stored = reports.read(place / "result.json")
    if stored["asked"] != updates * ppo.samples_per_update:
        raise SystemExit(
            f"samples={samples}: the result in {place} is of at most {stored['asked']}, not of "
            f"{updates * ppo.samples_per_update}. Choose another --folder, or remove that one"
        )
    return stored


def main(
    variants: tuple[str, ...] = tuple(VARIANTS),
    seeds: tuple[int, ...] = (0, 1, 2),
    samples: int = 6_144_000,
    folder: Path = Path("runs/learning"),
    out: Path = Path("benchmarks/results/learning.json"),
) -> None:
    """Train and judge every variant with every seed.

    Args:
        variants: Which variants.
        seeds: Which seeds.
        samples: Most samples of each training.
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
    reports.write(out, report)
    heads = ("variant", "good enough", "M samples until then", "s an update", *METRICS)
    table = Table(*heads, title=f"at most {samples / 1e6:g} M samples; held-out flat panel: median (worst)")
    for name in variants:
        rows: list[Any] = [result for result in results if result["variant"] == name]
        cells = [_middle([row["samples"] / 1e6 for row in rows], 1)]
        cells.append(f"{statistics.median(sum(row['update_seconds'].values()) for row in rows):.2f}")
        cells += [_middle([row[metric] for row in rows], 3) for metric in METRICS]
        table.add_row(name, f"{sum(row['stopped_by_the_bar'] for row in rows)} of {len(rows)}", *cells)
    Console().print(table)


def _middle(values: list[float], digits: int) -> str:
    """The median, and the largest."""
    return f"{statistics.median(values):.{digits}f} ({max(values):.{digits}f})"


if __name__ == "__main__":
    tyro.cli(main)
