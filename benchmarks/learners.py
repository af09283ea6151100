"""The learners side by side: the same robots, recipe and settings, each judged on the same held-out panel.

::

    python -m locoenvs.benchmarks.learners --seeds 0 1 2

What is done already is not done again, so that it can be interrupted and gone on with; a training of fewer updates goes on
if more are asked for, and its result says how it was judged before. A run that ``locoenvs train`` made with the same settings
counts, if it lies where this would put it. Results of other learners and seeds stay in the file; recipe, ledger and evaluation
of each are kept in a folder beside it.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs import install
from locoenvs.benchmarks import reports
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.audit import BAR, meets_bar
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.policies.policy import load_policy
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.names import nearest
from locoenvs.training import learners as known
from locoenvs.training.bar import stopped_by_the_bar
from locoenvs.training.run import Run
from locoenvs.wrappers.ppo import config

ENVIRONMENT = "Loco/AnymalC-Flat-v0"
LEARNERS = ("rsl_rl", "skrl", "sb3", "rl_games", "brax")
METRICS = {
    "fall_rate": ("falls %", 100, 1),
    "velocity_error": ("v m/s", 1, 3),
    "yaw_rate_error": ("yaw rad/s", 1, 3),
    "cost_of_transport": ("CoT", 1, 2),
}
"""What a result has of the panel's metrics: how it is headed in the table, times what, with how many digits."""


def run(
    learner: str, seed: int, recipe: str, updates: int | None, minutes: float | None, folder: Path
) -> dict[str, Any]:
    """Train with one learner and one seed, or go on with it, and evaluate it."""
    place = folder / f"{learner}-{seed}"
    begun, judged = (place / "recipe.json").exists(), (place / "result.json").exists()
    wanted = config(task_of(ENVIRONMENT, recipe)).updates if updates is None else updates
    if begun:
        check_settings(place, recipe, wanted, minutes)
    before = reports.read(place / "result.json") if judged else None
    if before is None or before["ppo"]["updates"] < wanted:
        where = {"resume": str(place)} if begun else {"run": str(place)}
        if not (begun and is_trained(place, wanted)):
            known.train(
                ENVIRONMENT,
                learner,
                recipe=recipe,
                actuator="pd",
                updates=wanted,
                minutes=minutes,
                seed=seed,
                validate_every=0,  # its minutes are of learning alone
                **where,
            )
        lines = finished(place)
        result = evaluate(load_policy(place / "policy"), load_panel("flat"))
        write_atomically(place / "evaluation.json", lambda file: file.write(result.to_json(robots=False).encode()))
        trained = Run.open(place)
        metrics = {name: result.metrics[name] for name in METRICS}
        summary = {
            "learner": learner,
            "seed": seed,
            "command": " ".join(["python -m locoenvs.benchmarks.learners", *sys.argv[1:]]),
            "date": time.strftime("%Y-%m-%d"),
            "samples": lines[-1]["samples"],
            "wall_seconds": lines[-1]["elapsed_seconds"],
            "samples_per_second": round(lines[-1]["samples"] / lines[-1]["elapsed_seconds"], 1),
            "seconds": {
                part: round(sum(line["seconds"][part] for line in lines), 1)
                for part in ("environment", "inference", "learning")
            },
            "meets_the_bar": meets_bar(result),
            "metrics": {name: [value.value, value.low, value.high] for name, value in metrics.items()},
            "judged_before": []
            if before is None
            else [*before["judged_before"], {name: before[name] for name in ("samples", "metrics")}],
            "panel_hash": result.panel_hash,
            "task_hash": trained.recipe()["task_hash"],
            "ppo": trained.recipe()["ppo"],
            "versions": trained.recipe()["versions"],
            "hardware": trained.recipe()["hardware"],
            "curve": [
                (line["samples"], line["terms_per_second"]["linear_velocity_tracking"])
                for line in lines[:: max(1, len(lines) // 50)]
            ],
        }
        reports.write(place / "result.json", summary, indent=None)
    return reports.read(place / "result.json")


def check_settings(place: Path, recipe: str, updates: int, minutes: float | None) -> None:
    """End the program if the training that is there has other settings, but that it may go on for more updates."""
    own = Run.open(place).recipe()
    settings = {
        "recipe": (own["task"]["recipe"], recipe),
        "updates": (own["ppo"]["updates"], updates),
        "minutes": (own["minutes"], minutes),
    }
    for name, (stored, asked) in settings.items():
        if stored != asked and not (name == "updates" and stored < asked):
            raise SystemExit(
                f"{name}={asked!r}: the training in {place} has {stored!r}. Choose another --folder, or remove that one"
            )


def ledger(place: Path) -> list[dict[str, Any]]:
    """The ledger's lines of a training's updates."""
    return [line for line in Run.open(place).records() if line["kind"] == "update"]


def is_trained(place: Path, updates: int) -> bool:
    """Whether a training has done so many updates and left its policy."""
    lines = ledger(place)
    return bool(lines) and lines[-1]["update"] >= updates and Run(place).policy.is_dir()


def finished(place: Path) -> list[dict[str, Any]]:
    """The ledger's lines of a training's updates. Ends the program if the training was interrupted."""
    recipe, lines = Run.open(place).recipe(), ledger(place)
    done, seconds = (lines[-1]["update"], lines[-1]["elapsed_seconds"]) if lines else (0, 0.0)
    limit = float("inf") if recipe["minutes"] is None else 60 * recipe["minutes"]
    over = done >= recipe["ppo"]["updates"] or seconds + 0.01 >= limit  # the ledger rounds
    if not over and stopped_by_the_bar(Run(place)) is None:
        raise SystemExit(
            f"interrupted: {place} has {done} of {recipe['ppo']['updates']} updates. Call again to go on with it"
        )
    return lines


def keep(folder: Path, evidence: Path, run: str) -> None:
    """Copy what tells how a run's result came about."""
    (evidence / run).mkdir(parents=True, exist_ok=True)
    for name in ("recipe.json", "ledger.jsonl", "evaluation.json"):
        shutil.copyfile(folder / run / name, evidence / run / name)


def check_learners(names: Sequence[str]) -> None:
    """End the program if one of the learners cannot train here."""
    installed = known.installed()
    for name in names:
        if name not in installed:
            raise SystemExit(nearest("learner", name, list(installed)))
        if (package := known.missing(name)) is not None:
            extra = name.replace("_", "-")
            raise SystemExit(f"learner {name!r} needs {package}: {install.line(extra)}")


def table(results: list[dict[str, Any]]) -> Table:
    """The results for reading: medians over the seeds, and the worst."""
    output = Table(
        "learner", "seeds", "M samples", "min", "k/s", *(head for head, *_ in METRICS.values()), "bar", box=None
    )
    output.title = "held-out flat panel, falls and errors: median (worst)"
    for learner in dict.fromkeys(result["learner"] for result in results):
        rows = [result for result in results if result["learner"] == learner]
        middle = {name: statistics.median(row[name] for row in rows) for name in ("samples", "wall_seconds")}
        cells = [f"{middle['samples'] / 1e6:.2f}", f"{middle['wall_seconds'] / 60:.1f}"]
        cells.append(f"{statistics.median(row['samples_per_second'] for row in rows) / 1000:.1f}")
        for metric, (_, factor, digits) in METRICS.items():
            values = [factor * row["metrics"][metric][0] for row in rows]
            worst = f" ({max(values):.{digits}f})" if len(rows) > 1 else ""
            cells.append(f"{statistics.median(values):.{digits}f}{worst}")
        passed = sum(row["meets_the_bar"] for row in rows)
        output.add_row(learner, ", ".join(str(row["seed"]) for row in rows), *cells, f"{passed} of {len(rows)}")
    return output


def main(
    learners: tuple[str, ...] = LEARNERS,
    seeds: tuple[int, ...] = (0, 1, 2),
    recipe: str = "walk",
    updates: int | None = None,
    minutes: float | None = None,
    folder: Path = Path("runs/learners"),
    out: Path = Path("benchmarks/results/learners.json"),
) -> None:
    """Train and judge every learner with every seed.

    Args:
        learners: Which learners, as shown by `locoenvs list`.
        seeds: Which seeds.
        recipe: Named set of the task's values.
        updates: Updates of each training; the recipe's by default.
        minutes: Stop each training after so many minutes.
        folder: Where the runs go; what is done already is not done again.
        out: Where the result goes, as JSON; recipes, ledgers and evaluations go into the folder of that name.
    """
    check_learners(learners)
    results = [run(name, seed, recipe, updates, minutes, folder) for seed in seeds for name in learners]
    before: list[dict[str, Any]] = reports.read(out).get("results", [])
    asked = {(result["learner"], result["seed"]) for result in results}
    results = [*(row for row in before if (row["learner"], row["seed"]) not in asked), *results]
    report = {"bar": BAR, "results": sorted(results, key=lambda row: (row["seed"], row["learner"]))}
    for name, seed in asked:
        keep(folder, out.with_suffix(""), f"{name}-{seed}")
    reports.write(out, report)
    Console().print(table(results))


if __name__ == "__main__":
    tyro.cli(main)
