"""How many robots, and how many samples in an update? Figure 4 of the paper, as a study.

Robots do the paper's task without its curriculum, on all levels at once of ground whose stairs and obstacles are half as high, so that
rewards can be compared: under a curriculum the better policy gets the harder ground. Every number of robots is trained with
every number of samples an update, the horizon is what follows from both, for as many updates and with as many seeds. Told are the
reward and the time, as in the figure, and beside them what validation found.

::

    python -m locoenvs.benchmarks.parallelism --smoke
    python -m locoenvs.benchmarks.parallelism --device cuda --backend mjx   # hours of a GPU
    python -m locoenvs.benchmarks.parallelism --recipe walk --actuator pd --robots 128 512 2048 --samples 12288 --updates 200  # of a CPU

By a recipe whose penalties grow they have grown after half of the updates, however long the horizon, so that rewards at the end are of the same task.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import tyro
from rich.table import Table

from locoenvs import terminal
from locoenvs.benchmarks import reports, studies
from locoenvs.benchmarks.studies import TOLD
from locoenvs.cli import study
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.plots import figure_of, plain, save
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.training.study.report import Row, rows

ENVIRONMENT = "Loco/AnymalC-Rough-v0"

SOFTER: dict[str, Any] = {
    "curriculum.enabled": False,
    "terrain.shares.stairs_up.parameters.riser": [0.05, 0.1],
    "terrain.shares.stairs_down.parameters.riser": [0.05, 0.1],
    "terrain.shares.obstacles.parameters.height": [0.05, 0.1],
}
"""What differs from the paper's task. Half as high is the choice of this benchmark."""

SMALL = studies.SMALL | {"terrain.levels": 2, "terrain.columns": 10}
"""What makes it a smoke test: few tiles too."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained: ``robots`` with ``samples`` an update, each for ``updates`` with every one of the ``seeds``."""

    robots: tuple[int, ...] = (256, 512, 1024, 2048, 4096, 8192, 16384)
    samples: tuple[int, ...] = (49_152, 98_304, 196_608)
    updates: int = 1500
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    recipe: str | None = None
    actuator: ActuatorKind | None = None
    validations: int = 10
    """How often each training is judged on validation streams."""
    robots_judged: int | None = None
    changes: dict[str, Any] = dataclasses.field(default_factory=lambda: dict(SOFTER))

    def points(self) -> list[tuple[int, int]]:
        """(robots, control steps of each in an update). Raises ValueError for samples that robots cannot share equally."""
        for samples in self.samples:
            for robots in self.robots:
                if robots < 1 or samples < robots or samples % robots:
                    raise ValueError(
                        f"samples={samples}: must be a multiple of robots={robots}, the steps of each in an update"
                    )
        return [(robots, samples // robots) for samples in self.samples for robots in self.robots]

    def toml(self, learner: str, backend: str, device: str | None) -> str:
        """The study's file."""
        fields = {
            "env_id": ENVIRONMENT,
            "learner": learner,
            "backend": backend,
            "device": device,
            "recipe": self.recipe,
            "actuator": self.actuator,
            "seeds": list(self.seeds),
            "updates": self.updates,
            "validate_every": max(1, self.updates // self.validations),
            "validate_robots": self.robots_judged,
            "base": False,
            "panels": ["none"],
        }
        points = [{"ppo.num_envs": robots, "ppo.horizon": horizon} for robots, horizon in self.points()]
        if task_of(ENVIRONMENT, self.recipe or "paper", self.actuator).rewards.penalty_schedule is not None:
            for point in points:
                point["rewards.penalty_schedule.control_steps"] = max(1, point["ppo.horizon"] * self.updates // 2)
        return studies.toml(fields, self.changes, points)


SMOKE = Plan((4, 8), (16, 32), updates=2, seeds=(0, 1), validations=1, robots_judged=4, changes=SOFTER | SMALL)


def main(
    robots: tuple[int, ...] = Plan.robots,
    samples: tuple[int, ...] = Plan.samples,
    updates: int = Plan.updates,
    seeds: tuple[int, ...] = Plan.seeds,
    validations: int = Plan.validations,
    recipe: str | None = None,
    actuator: ActuatorKind | None = None,
    learner: str = "rsl_rl",
    backend: str = "auto",
    device: str | None = None,
    on: study.On = "local",
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    folder: Path | None = None,
    out: Path | None = None,
    smoke: bool = False,
) -> None:
    """Train every number of robots with every number of samples an update, and tell reward, time and validation of each.

    Args:
        robots: Numbers of robots.
        samples: Numbers of samples in an update, each a multiple of each number of robots.
        updates: Updates of each training.
        seeds: Seeds of each.
        validations: How often each training is judged on validation streams.
        recipe: Recipe of all, the paper's by default.
        actuator: Drives of all, those of the recipe by default.
        learner: Who learns.
        backend: Physics.
        device: Where to compute.
        on: local trains one after the other; ray as many at a time as there is room for.
        address: Ray cluster to train on, as host:port.
        cpus: Cores that a training takes on Ray.
        gpus: GPUs that a training takes on Ray.
        folder: Where the study goes, runs/parallelism by default, or runs/parallelism-smoke; the same command goes on with it.
        out: Where the result goes, as JSON, its picture beside it: benchmarks/results/parallelism.json by default,
            or beside the folder of a smoke test.
        smoke: Two numbers of each, for seconds: only that it runs.
    """
    plan = (
        SMOKE
        if smoke
        else Plan(tuple(robots), tuple(samples), updates, tuple(seeds), recipe, actuator, validations=validations)
    )
    content = plan.toml(learner, backend, device)
    folder, out = studies.places("parallelism", folder, out, smoke)
    state = study.carry(content.encode(), "the study of figure 4", folder, on, address, cpus, gpus, option="--folder")
    trials = [_told(row) for row in rows(state)]
    packages = ("mujoco", "mujoco-mjx", "jax", "torch", "numpy")
    reports.write(out, studies.report("parallelism", content, packages, trials))
    picture(trials, out.with_suffix(".png"))
    terminal.console().print(_table(trials))
    terminal.console().print(f"{out}\n{out.with_suffix('.png')}")


def _told(row: Row) -> dict[str, Any]:
    """A row of the result."""
    robots, horizon = row.changes["ppo.num_envs"], row.changes["ppo.horizon"]
    return {"robots": robots, "samples_per_update": robots * horizon, "horizon": horizon, **studies.told(row)}


def _table(trials: list[dict[str, Any]]) -> Table:
    output = Table(title="mean over seeds; reward of training a second of robot time, the rest on validation streams")
    for head in ("samples an update", "robots", "horizon", "reward, 1/s", "minutes", *TOLD):
        output.add_column(head.replace("_", " "), justify="right")
    for each in trials:
        numbers = each["numbers"]
        cells = [f"{numbers[name]['mean']:.3g}" if name in numbers else "" for name in ("reward", "minutes", *TOLD)]
        output.add_row(*(str(each[name]) for name in ("samples_per_update", "robots", "horizon")), *cells)
    return output


def picture(trials: list[dict[str, Any]], path: Path) -> None:
    """Draw reward, time and success against the number of robots, a line for each number of samples an update, with 95 % intervals
    over seeds."""
    figure = figure_of(15)
    panels = (
        ("reward", "training reward, 1/s", 1),
        ("minutes", "minutes of training", 1),
        ("success_rate", "validation: success, %", 100),
    )
    for axes, (name, title, scale) in zip(figure.subplots(1, len(panels)), panels):
        for samples in sorted({each["samples_per_update"] for each in trials}):
            line = [each for each in trials if each["samples_per_update"] == samples and name in each["numbers"]]
            line.sort(key=lambda each: each["robots"])
            spreads = [each["numbers"][name] for each in line]
            ends = [(one["mean"] - one["low"], one["high"] - one["mean"]) for one in spreads if one["low"] is not None]
            reach = [[scale * end for end in side] for side in zip(*ends)] if len(ends) == len(spreads) else None
            x, y = [each["robots"] for each in line], [scale * one["mean"] for one in spreads]
            axes.errorbar(x, y, yerr=reach, marker="o", markersize=4, capsize=3, label=f"{samples:,}")
        axes.set_xscale("log", base=2)
        axes.set(xlabel="robots", title=title)
        axes.title.set_fontsize(10)
        plain(axes)
    figure.axes[0].legend(title="samples an update", fontsize=8, title_fontsize=8)
    save(figure, path)


if __name__ == "__main__":
    tyro.cli(main)
