"""Samples a second with learning, and how long this project took until its robots walk."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

from locoenvs.benchmarks.peers.contestants import EPOCHS, HIDDEN, HORIZON, LEARNING, MINIBATCHES, OURS, Learning
from locoenvs.benchmarks.peers.processes import Failed, call
from locoenvs.benchmarks.throughput import ACTUATOR
from locoenvs.evidence.audit import meets_bar
from locoenvs.evidence.result import Result
from locoenvs.training.run import Run

SECONDS = 300
"""How long a training may take."""


def learn(
    pythons: dict[str, Path | str], robots: int, updates: int, repeats: int, folder: Path
) -> list[dict[str, Any]]:
    """A row for each training: samples a second, or why not. They take turns; of each the first update is left out."""
    trainings = [one for one in LEARNING if one.library in pythons]
    parts: dict[str, list[tuple[float, float]]] = {one.name: [] for one in trainings}
    medians: dict[str, list[float]] = {one.name: [] for one in trainings}
    failed: dict[str, str] = {}
    samples = robots * HORIZON
    for _ in range(repeats):
        for one in trainings:
            if one.name in failed:
                continue
            try:
                done = _train(one, pythons[one.library], robots, updates, folder)[1:]
            except Failed as error:
                failed[one.name] = str(error)
                continue
            parts[one.name] += done
            medians[one.name].append(samples / statistics.median(sum(update) for update in done))
    return [_row(one, robots, parts[one.name], medians, failed.get(one.name)) for one in trainings]


def _row(
    one: Learning, robots: int, parts: list[tuple[float, float]], rates: dict[str, list[float]], error: str | None
) -> dict[str, Any]:
    head: dict[str, Any] = {"name": one.name, "library": one.library, "task": one.task, "differs": one.differs}
    head |= {"robots": robots, "horizon": HORIZON, "hidden": HIDDEN, "epochs": EPOCHS, "minibatches": MINIBATCHES}
    if error is not None:
        return head | {"error": error}
    ours = rates[LEARNING[0].name]
    ratios = [a / b for a, b in zip(ours, rates[one.name])]
    collecting, learning = (statistics.median(update[part] for update in parts) for part in (0, 1))
    return head | {
        "samples_per_second": round(statistics.median(rates[one.name]), 1),
        "ours_to_it": round(statistics.median(ratios), 3) if ratios else None,
        "seconds_of_an_update": {"collecting": round(collecting, 3), "learning": round(learning, 3)},
        "repeats": [round(rate, 1) for rate in rates[one.name]],
    }


def _train(one: Learning, python: Path | str, robots: int, updates: int, folder: Path) -> list[tuple[float, float]]:
    """Seconds of collecting and of learning, of each update. Raises Failed."""
    if isinstance(python, str):
        raise Failed(python)
    if one.library == OURS:
        run = folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        numbers = {"horizon": HORIZON, "epochs": EPOCHS, "minibatches": MINIBATCHES, "hidden": list(HIDDEN)}
        asked = f"--actuator {ACTUATOR} --backend mujoco --device cpu --num-envs {robots} --updates {updates}"
        changes = [f"--set=ppo.{name}={value}" for name, value in numbers.items()]
        command = [str(python), "-m", "locoenvs", "train", one.task, "--run", str(run), *asked.split(), *changes]
        call(command, SECONDS, ours=True)
        return of_ledger(Run.open(run).records())
    files = folder / f"{one.library}-files"
    hidden = f"[{','.join(map(str, HIDDEN))}]"
    prepare = "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import worker; worker.prepare_unilab(pathlib.Path(sys.argv[2]))"
    call([str(python), "-c", prepare, str(Path(__file__).parent), str(files)], SECONDS)
    task, sim = one.task.split("/")
    printed = call(
        [
            str(python.with_name("train")), "--algo", "ppo", "--task", task, "--sim", sim,
            f"algo.num_envs={robots}", f"algo.num_steps_per_env={HORIZON}", f"algo.max_iterations={updates}",
            f"algo.actor.hidden_dims={hidden}", f"algo.critic.hidden_dims={hidden}",
            f"algo.algorithm.num_learning_epochs={EPOCHS}", f"algo.algorithm.num_mini_batches={MINIBATCHES}",
            "training.device=cpu", "training.no_play=true",
        ],
        SECONDS, files,
    )  # fmt: skip
    return of_log(printed)


def of_ledger(records: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Seconds of collecting and of learning of each update, from this project's ledger."""
    seconds = [line["seconds"] for line in records if line["kind"] == "update"]
    return [(spent["environment"] + spent["inference"], spent["learning"]) for spent in seconds]


def of_log(printed: str) -> list[tuple[float, float]]:
    """The same from what RSL-RL prints. Raises Failed if that is not there."""
    found = [
        [float(seconds) for seconds in re.findall(rf"{part} time: ([0-9.]+)s", printed)]
        for part in ("Collection", "Learning")
    ]
    if len(found[0]) < 2 or len(found[0]) != len(found[1]):
        raise Failed("it printed no times of at least two updates")
    return list(zip(*found))


def until_it_walks(folders: list[Path]) -> list[dict[str, Any]]:
    """Of trainings that are kept: how many minutes each took, and whether it then met the bar of the held-out panel."""
    rows = []
    for folder in folders:
        head: dict[str, Any] = {"run": folder.name}
        try:
            recipe, records = Run(folder).recipe(), Run(folder).records()
            samples = [line["samples"] for line in records if line["kind"] == "update"][-1]
            seconds = max(line.get("elapsed_seconds", 0.0) for line in records)
            result = Result.from_json((folder / "evaluation.json").read_text(), str(folder / "evaluation.json"))
        except (OSError, ValueError, IndexError, KeyError, json.JSONDecodeError) as error:
            rows.append(head | {"error": f"no training with ledger and evaluation: {error}"[:300]})
            continue
        rows.append(
            head
            | {
                "learner": recipe["learner"],
                "seed": recipe["seed"],
                "minutes": round(seconds / 60, 1),
                "samples": samples,
                "panel": result.panel,
                "meets_the_bar": meets_bar(result),
                "falls": round(result.metrics["fall_rate"].value, 4),
                "velocity_error": round(result.metrics["velocity_error"].value, 4),
                "yaw_rate_error": round(result.metrics["yaw_rate_error"].value, 4),
                "hardware": recipe["hardware"],
            }
        )
    return rows
