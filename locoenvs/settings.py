"""What a user asks of a learner."""

from __future__ import annotations

from dataclasses import dataclass

from locoenvs.recipes import ActuatorKind


@dataclass(frozen=True)
class TrainSettings:
    """The settings of a training run, whoever learns. None leaves a setting to the recipe, the seed is 0 then.

    ``minutes`` stops training after that much time if ``updates`` are not done before; ``run`` is the folder to write
    to, ``resume`` the folder of a run to go on with, ``start_from`` the folder of a policy whose network is the first.
    ``actuator`` is "pd" or "lstm".
    """

    env_id: str
    backend: str = "auto"
    num_envs: int | None = None
    seed: int | None = None
    updates: int | None = None
    minutes: float | None = None
    run: str | None = None
    resume: str | None = None
    start_from: str | None = None
    recipe: str | None = None
    actuator: ActuatorKind | None = None
    device: str | None = None
    wandb: bool = False
