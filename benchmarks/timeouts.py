"""The paper's supplement: what the value at time-outs buys on the walking task, several seeds with it and without it.

::

    python -m locoenvs.benchmarks.timeouts --updates 300 --plots docs/images/timeouts.png

Without it a time-out is a failure to the critic, as if nothing came after it: RSL-RL's learner of this project is told so here, and nowhere else. What is
done already is not done again, so that it can be interrupted and gone on with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import tyro
from tensordict import TensorDict

from locoenvs.benchmarks import reports
from locoenvs.benchmarks.learners import finished, is_trained
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.plots import check_picture, figure_of, plain, save
from locoenvs.machine import measured_by
from locoenvs.mdp.symmetry import Mirror
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training
from locoenvs.wrappers.ppo import PPOConfig, config
from locoenvs.wrappers.rsl_rl.learner import RslRlLearner

ENVIRONMENT = "Loco/AnymalC-Flat-v0"
CURVES = {"reward_per_second": "reward, 1/s", "value_loss": "critic loss"}


class WithoutBootstrap(RslRlLearner):
    """RSL-RL's PPO to which a time-out is a failure: its target there is r. A run of it is resumed by this file alone."""

    name: ClassVar[str] = "rsl_rl without bootstrap"

    def __init__(self, env: LocoVectorEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        super().__init__(env, ppo, mirror, seed)
        record = self.algorithm.process_env_step

        def as_failures(obs: TensorDict, rewards: torch.Tensor, dones: torch.Tensor, extras: dict[str, Any]) -> None:
            record(obs, rewards, dones, {**extras, "time_outs": torch.zeros_like(extras["time_outs"])})

        self.algorithm.process_env_step = as_failures  # type: ignore[method-assign]


LEARNERS: dict[str, type[RslRlLearner]] = {"with": RslRlLearner, "without": WithoutBootstrap}

Curves = dict[str, list[float]]
"""Samples, and each of :data:`CURVES` after so many, an update each."""


def run(name: str, seed: int, robots: int, updates: int, folder: Path) -> Curves:
    """Train with one learner and one seed, or go on with it; what it had to show. Raises ValueError for a run with another number of robots."""
    place = folder / f"{name}-{seed}"
    begun = Run.begun(place)
    if begun and (given := Run(place).recipe()["ppo"]["num_envs"]) != robots:
        raise ValueError(f"robots={robots}: {place} has {given}. Choose another --folder, or remove that one")
    if not (begun and is_trained(place, updates)):
        where: dict[str, Any] = {"resume": str(place)} if begun else {"run": str(place)}
        asked = TrainSettings(ENVIRONMENT, seed=seed, updates=updates, num_envs=robots, validate_every=0, **where)
        task = task_of(ENVIRONMENT, "walk", "pd")
        new = () if begun else (task, config(task))
        training.train(LEARNERS[name], ENVIRONMENT, asked, *new)
    return curves(finished(place)[:updates])


def curves(lines: Sequence[Mapping[str, Any]]) -> Curves:
    """What is drawn of a ledger's updates."""
    return {
        "samples": [line["samples"] for line in lines],
        "reward_per_second": [line["reward_per_second"] for line in lines],
        "value_loss": [line["losses"]["value"] for line in lines],
    }


def picture(results: Mapping[str, Mapping[str, Curves]], path: Path) -> None:
    """Draw reward and critic loss against samples: mean over the seeds, and from the least to the most of them."""
    figure = figure_of(11)
    for axes, (curve, words) in zip(figure.subplots(1, len(CURVES)), CURVES.items()):
        for name, by_seed in results.items():
            found = np.array([each[curve] for each in by_seed.values()])
            samples = np.array(next(iter(by_seed.values()))["samples"]) / 1e6
            (line,) = axes.plot(samples, found.mean(axis=0), label=f"{name} the value at time-outs")
            axes.fill_between(
                samples, found.min(axis=0), found.max(axis=0), color=line.get_color(), alpha=0.2, linewidth=0
            )
        axes.set(xlabel="M samples", ylabel=words)
        plain(axes)
        if curve == "value_loss":
            axes.set_yscale("log")
    figure.axes[0].legend(fontsize=9, frameon=False)
    save(figure, path, dpi=140)


def timeouts(
    seeds: tuple[int, ...] = (0, 1, 2),
    robots: int = 512,
    updates: int = 300,
    folder: Path = Path("runs/timeouts"),
    out: Path = Path("benchmarks/results/timeouts.json"),
    plots: Path | None = None,
) -> None:
    """Train recipe walk on flat ground, PD drives, with each seed, with the value at time-outs and without it.

    Args:
        seeds: Seeds; both learners take each.
        robots: Number of robots.
        updates: Updates of each training.
        folder: Where the runs go.
        out: File for the result, as JSON.
        plots: File for the plots.
    """
    if plots is not None:
        check_picture(plots)
    results: dict[str, dict[str, Curves]] = {name: {} for name in LEARNERS}
    for seed in seeds:
        for name in LEARNERS:
            results[name][str(seed)] = run(name, seed, robots, updates, folder)
    made = measured_by("timeouts", "locoenvs", "mujoco", "numpy", "torch", "rsl-rl-lib")
    asked = {"environment": ENVIRONMENT, "recipe": "walk", "actuator": "pd", "robots": robots, "updates": updates}
    reports.write(out, {**made, **asked, "results": results}, indent=None)
    if plots is not None:
        picture(results, plots)


if __name__ == "__main__":
    tyro.cli(timeouts)
