"""How long an update would take on this machine and how much memory, from a few updates of few robots."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from locoenvs import install
from locoenvs.tasks.task import Task
from locoenvs.training import learners
from locoenvs.training.geometry import memory_needed
from locoenvs.training.ppo import PPOConfig
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

ROBOTS, HORIZON, UPDATES = 256, 24, 4
"""Most robots and control steps of an update that is measured, and how many updates, of which the first, which compiles, does not count."""


@dataclass(frozen=True)
class Estimate:
    """What an update would take: seconds of "environment", "inference" and "learning", and the memory of process and GPU, MiB.

    ``robots`` is how many it was measured with. Times grow with the samples here, which is too long for a GPU that so few do not fill.
    """

    robots: int
    seconds: dict[str, float]
    memory_mb: float
    device_memory_mb: float | None


def estimate(learner: str, settings: TrainSettings, task: Task, ppo: PPOConfig) -> Estimate:
    """Train a little in a folder that goes away. An update of it has one gradient step, which stands for all of the real one's.

    Raises ValueError for a learner that is none of the suite's: its settings are not PPO's.
    """
    if not install.requirements(learner.replace("_", "-")):
        raise ValueError(f"learner {learner!r} is not of this project, and its settings are its own: leave it out")
    robots, horizon = min(ppo.num_envs, ROBOTS), min(ppo.horizon, HORIZON)
    few = dataclasses.replace(ppo, num_envs=robots, horizon=horizon, epochs=1, minibatches=1, updates=UPDATES)
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        chosen = dataclasses.replace(settings, run=str(Path(place) / "run"), validate_every=0)
        run = Run(learners.load(learner)(settings.env_id, chosen, task, few))
        lines = [line for line in run.records() if line["kind"] == "update"]
    share = ppo.samples_per_update / few.samples_per_update
    times = {name: median(line["seconds"][name] for line in lines[1:]) for name in lines[0]["seconds"]}
    times["learning"] *= ppo.epochs
    more = (memory_needed(ppo, task) - memory_needed(few, task)) / 2**20
    device = lines[-1]["device_memory_mb"]
    return Estimate(
        robots,
        {name: value * share for name, value in times.items()},
        lines[-1]["memory_mb"] + more,
        None if device is None else device * share,
    )
