"""Updates and trainings on the device, and what trained policies achieve."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
from typing import Any

from locoenvs.benchmarks import reports
from locoenvs.benchmarks.gpu.plan import ACTUATOR, IDS, TRIES, Ground, Job
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.policies.policy import load_policy
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

SPARE = 75.0
"""Seconds that a training leaves for its start, its last checkpoint, its export and the end of the command."""


def learning(job: Job, ground: Ground, robots: int) -> dict[str, Any]:
    """Seconds of a few updates as they are in training."""
    from locoenvs.wrappers.rsl_rl import train

    folder = job.work / "learning" / f"{ground}-{robots}"
    shutil.rmtree(folder, ignore_errors=True)
    settings = TrainSettings(
        IDS[ground],
        actuator=ACTUATOR,
        backend="mjx",
        num_envs=robots,
        updates=job.plan.learning_updates,
        run=str(folder),
        device=job.device,
        validate_every=0,
    )
    train(IDS[ground], settings)
    lines = [line for line in Run(folder).records() if line["kind"] == "update"][1:]
    seconds = {name: statistics.median(line["seconds"][name] for line in lines) for name in lines[0]["seconds"]}
    rate = statistics.median(line["samples_per_second"] for line in lines)
    return {"robots": robots, "seconds_per_update": seconds, "control_steps_per_second": rate}


def training(job: Job, ground: Ground, updates: int) -> dict[str, Any] | None:
    """The paper's training, or as much of it as there is time for."""
    from locoenvs.wrappers.rsl_rl import train

    folder = job.work / "train" / ground
    resume = (folder / "recipe.json").exists() and (folder / "checkpoint.pt").exists()
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    lines = [line for line in Run(folder).records() if line["kind"] == "update"] if resume else []
    spent = lines[-1]["elapsed_seconds"] if lines else 0.0
    settings = TrainSettings(
        IDS[ground],
        actuator=ACTUATOR,
        backend="mjx",
        num_envs=None if resume else job.plan.train_robots,
        updates=updates,
        minutes=(spent + max(job.left - SPARE, 5.0)) / 60,
        run=None if resume else str(folder),
        resume=str(folder) if resume else None,
        device=job.device,
        validate_every=0,  # its seconds are of learning alone
    )
    train(IDS[ground], settings)
    records = Run(folder).records()
    lines = [line for line in records if line["kind"] == "update"]
    last = lines[-1]
    if last["update"] < updates:
        return None
    every = max(1, len(lines) // 100)
    update = statistics.median(sum(line["seconds"].values()) for line in lines)
    return {
        "updates": last["update"],
        "robots": Run(folder).recipe()["ppo"]["num_envs"],
        "samples": last["samples"],
        "seconds": last["elapsed_seconds"],  # with the first update of every call, which compiles
        "seconds_at_the_median_update": round(update * updates, 1),
        "calls": 1 + sum(line["kind"] == "resume" for line in records),
        "seconds_per_update": {
            name: statistics.median(line["seconds"][name] for line in lines) for name in last["seconds"]
        },
        "curve": [
            (
                line["update"],
                line["elapsed_seconds"],
                line["terms_per_second"]["linear_velocity_tracking"],
                line.get("levels"),
            )
            for line in lines[::every]
        ],
        "policy": str(folder / "policy"),
        "task_hash": Run(folder).recipe()["task_hash"],
    }


def panel(job: Job, ground: Ground, name: str) -> dict[str, Any] | None:
    """The trained policy on a held-out panel for its ground: on this backend, and carried over to native MuJoCo."""
    folder = job.work / "train" / ground
    if not (job.work / "parts" / f"train-{ground}.json").exists():
        errors = reports.read(job.work / "errors.json").get(f"train/{ground}", [])
        if len(errors) >= TRIES:
            raise RuntimeError(f"train/{ground} failed {len(errors)} times, so there is no policy: {errors[-1]}")
        return None
    policy, held_out = load_policy(folder / "policy"), load_panel(name)
    if job.plan.panel_robots is not None:
        held_out = dataclasses.replace(held_out, num_robots=job.plan.panel_robots)
    by_backend = {}
    for backend, device in (("mjx", job.device), ("mujoco", None)):
        result = evaluate(policy, held_out, backend, device=device)
        (folder / f"{name}-{backend}.json").write_text(result.to_json(robots=False))
        metrics = {name: dataclasses.asdict(estimate) for name, estimate in result.metrics.items()}
        strata = {
            quantity: {
                label: dataclasses.asdict(group["success_rate"])
                for label, group in groups.items()
                if "success_rate" in group
            }
            for quantity, groups in result.strata.items()
        }
        by_backend[result.backend] = {
            "metrics": metrics,
            "success": {name: rates for name, rates in strata.items() if rates},
        }
    return {"panel": held_out.hash, "backends": by_backend}
