"""What each choice of the ``walk`` recipe buys, as a study: each variant is trained with several seeds until it is good enough on the
validation streams, as ``make walk`` is, or for so many samples. The best one and the recipe as it is do the held-out panel at the end.

::

    python -m locoenvs.benchmarks.learning --smoke
    python -m locoenvs.benchmarks.learning --on ray   # hours of a CPU

The paper's recipe, which earlier versions trained here too, is another task and not a change of this one.
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
from locoenvs.tasks.names import nearest
from locoenvs.training.study.report import Row, rows
from locoenvs.training.study.spec import BASE
from locoenvs.training.study.state import State

ENVIRONMENT, RECIPE = "Loco/AnymalC-Flat-v0", "walk"

WHOLE = "rewards.penalty_schedule.control_steps"
"""After so many control steps penalties and disturbances are whole: 4800 in the recipe."""

VARIANTS: dict[str, dict[str, Any]] = {
    "earlier": {WHOLE: 9600, "ppo.hidden": [256, 128, 64]},  # of version 0.1.0
    "larger_networks": {"ppo.hidden": [256, 128, 64]},
    "three_epochs": {"ppo.epochs": 3},
    "shorter_schedule": {WHOLE: 2400},
    "longer_schedule": {WHOLE: 9600},
    "ten_milliseconds": {"timing.physics_dt": 0.01, "timing.decimation": 2},  # judged, as all, on steps of 5 ms
    "long_horizon": {WHOLE: 9600, "ppo.num_envs": 256, "ppo.horizon": 48},
    "many_robots": {WHOLE: 1200, "ppo.num_envs": 2048},  # the schedule counts samples, not steps
    "low_learning_rate": {"ppo.max_learning_rate": 1e-3},
    "without_mirror": {"ppo.mirror": False},
    "without_privileged_critic": {"ppo.privileged": False},
    "without_penalty_schedule": {"rewards.penalty_schedule.start": 1.0},  # whole from the first step
    "falls_cost_from_the_start": {"rewards.penalty_schedule.termination_last": False},
    "stronger_pushes": {"randomization.pushes.velocity": 2.0},
    "less_noise_at_first": {"ppo.initial_std": 0.5},
    "larger_steps": {"ppo.desired_kl": 0.02, "ppo.max_learning_rate": 4e-3},
}
"""Name -> what it changes of the recipe, by the names that ``--set`` takes."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained beside the recipe as it is: ``variants``, each with every one of the ``seeds`` for at most so many ``samples``."""

    variants: tuple[str, ...] = tuple(VARIANTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    samples: int = 6_144_000
    validations: int = 5
    """How often a training of all samples is judged on validation streams."""
    robots_judged: int | None = None
    panels: tuple[str, ...] = ("flat",)
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def toml(self) -> str:
        """The study's file."""
        fields = {
            "env_id": ENVIRONMENT,
            "recipe": RECIPE,
            "actuator": "pd",
            "seeds": list(self.seeds),
            "samples": self.samples,
            "validate_samples": max(1, self.samples // self.validations),
            "validate_robots": self.robots_judged,
            "until_bar": True,
            "panels": list(self.panels),
        }
        return studies.toml(fields, self.changes, [VARIANTS[name] for name in self.variants])


SMOKE = Plan(
    ("without_mirror", "falls_cost_from_the_start"),
    seeds=(0, 1),
    samples=64,
    validations=2,
    robots_judged=4,
    panels=("none",),
    changes=studies.SMALL | {"ppo.num_envs": 4, "ppo.horizon": 4},
)

PLACE = "learning-study"
"""What its folder and its result are called: ``benchmarks/results/learning.json`` is of version 0.1.0, and stays."""


def main(
    variants: tuple[str, ...] = Plan.variants,
    seeds: tuple[int, ...] = Plan.seeds,
    samples: int = Plan.samples,
    on: study.On = "local",
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    folder: Path | None = None,
    out: Path | None = None,
    smoke: bool = False,
) -> None:
    """Train the recipe and every variant with every seed, and tell of each whether and when it was good enough.

    Args:
        variants: Which variants beside the recipe as it is.
        seeds: Seeds of each.
        samples: Most samples of each training.
        on: local trains one after the other; ray as many at a time as there is room for.
        address: Ray cluster to train on, as host:port.
        cpus: Cores that a training takes on Ray.
        gpus: GPUs that a training takes on Ray.
        folder: Where the study goes, runs/learning-study by default, or runs/learning-study-smoke; the same command goes on with it.
        out: Where the result goes, as JSON: benchmarks/results/learning-study.json by default, or beside the folder of a smoke test.
        smoke: Two variants, for seconds: only that it runs.
    """
    for name in variants:
        if name not in VARIANTS:
            raise SystemExit(nearest("variant", name, list(VARIANTS)))
    plan = SMOKE if smoke else Plan(tuple(variants), tuple(seeds), samples)
    content = plan.toml()
    folder, out = studies.places(PLACE, folder, out, smoke)
    state = study.carry(content.encode(), "the study of the recipe", folder, on, address, cpus, gpus, option="--folder")
    results = [_told(state, row) for row in rows(state)]
    report = studies.report("learning", content, ("mujoco", "torch", "rsl-rl-lib", "numpy"), results)
    reports.write(out, report | {"held_out": reports.read(folder / "results.json")["comparisons"]})
    terminal.console().print(_table(results, plan.samples))
    terminal.console().print(str(out))


def _told(state: State, row: Row) -> dict[str, Any]:
    """A row of the result, with the end of each of its trainings."""
    name = next((name for name, changes in VARIANTS.items() if row.name != BASE and changes == row.changes), RECIPE)
    own = {"variant": name, "changes": row.changes, "configuration": row.name}
    (configuration,) = (each for each in state.configurations if each.name == row.name)
    ends = [each.document() for each in state.at(configuration, 0)]
    return {**own, **studies.told(row), "stopped_by_the_bar": row.stopped_by_the_bar, "trainings": ends}


def _table(results: list[dict[str, Any]], samples: int) -> Table:
    output = Table(title=f"at most {samples / 1e6:g} M samples; mean over seeds, on validation streams")
    output.add_column("variant", no_wrap=True)
    for head in ("good enough", "M samples", "minutes", *TOLD):
        output.add_column(head.replace("_", " "), justify="right")
    for each in results:
        means = {name: number["mean"] for name, number in each["numbers"].items()}
        means["samples"] = means.get("samples", 0.0) / 1e6
        cells = [f"{means[name]:.3g}" if name in means else "" for name in ("samples", "minutes", *TOLD)]
        output.add_row(each["variant"], f"{each['stopped_by_the_bar']} of {each['seeds']}", *cells)
    return output


if __name__ == "__main__":
    tyro.cli(main)
