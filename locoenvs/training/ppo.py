"""The paper's PPO (its appendix) as data, and the recipes' own. Each learner's folder says it in that learner's own configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from locoenvs.tasks.documents import stored, valid
from locoenvs.tasks.names import nearest
from locoenvs.tasks.task import Task


@dataclass(frozen=True)
class PPOConfig:
    """PPO's settings. A sample is one control step of one robot; an update uses ``num_envs * horizon`` samples."""

    num_envs: int = 4096
    horizon: int = 24
    updates: int = 1500
    epochs: int = 5
    minibatches: int = 4
    hidden: tuple[int, ...] = (512, 256, 128)
    activation: str = "elu"
    clip: float = 0.2
    entropy: float = 0.01
    discount: float = 0.99
    trace: float = 0.95
    learning_rate: float = 1e-3
    max_learning_rate: float = 1e-2
    desired_kl: float = 0.01
    max_gradient_norm: float = 1.0
    initial_std: float = 1.0
    mirror: bool = False
    """Networks that treat left and right alike, see :mod:`locoenvs.wrappers.networks`."""
    privileged: bool = False
    """A critic that sees without noise."""

    def __post_init__(self) -> None:
        whole = {name: getattr(self, name) for name in ("num_envs", "horizon", "updates", "epochs", "minibatches")}
        for name, value in whole.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}: must be a whole number of at least 1")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be from {least:g} to {most:g}")
        if any(width < 1 for width in self.hidden) or not self.hidden:
            raise ValueError(f"hidden={self.hidden!r}: must be widths of at least 1")
        if self.minibatches > self.samples_per_update:
            raise ValueError(
                f"minibatches={self.minibatches}: an update of {self.num_envs} robots x {self.horizon} steps has fewer samples"
            )

    @property
    def samples_per_update(self) -> int:
        return self.num_envs * self.horizon


_BOUNDS = (
    ("clip", 1e-6, 1.0),
    ("entropy", 0.0, 1e3),
    ("discount", 0.0, 1.0),
    ("trace", 0.0, 1.0),
    ("learning_rate", 1e-12, 1.0),
    ("max_learning_rate", 1e-12, 1.0),
    ("desired_kl", 1e-9, 1e3),
    ("max_gradient_norm", 1e-9, 1e9),
    ("initial_std", 1e-9, 1e3),
)
"""(field, least, most)."""


def config(task: Task) -> PPOConfig:
    """The settings for a task's recipe: the paper's, or those that learn on a laptop."""
    flat = task.terrain.kind == "plane"
    if task.base_recipe == "walk":
        return WALK_FLAT if flat else WALK_ROUGH
    return PPOConfig(hidden=(128, 64, 32), updates=300) if flat else PPOConfig()


def changed_ppo(ppo: PPOConfig, changes: Mapping[str, Any]) -> PPOConfig:
    """The settings with those of ``changes`` whose names begin with ``ppo.``. Raises ValueError, with the nearest name, for one that is none."""
    document = dataclasses.asdict(ppo)
    for path, value in changes.items():
        if path.startswith("ppo."):
            name = path.removeprefix("ppo.")
            if name not in document:
                raise ValueError(f"{path}: {nearest('field of ppo', name, list(document))}")
            document[name] = stored(value)
    return valid(_PPO, document, "ppo")


_PPO: TypeAdapter[PPOConfig] = TypeAdapter(PPOConfig)


WALK_FLAT = PPOConfig(
    num_envs=512,
    updates=1500,
    hidden=(128, 64, 32),
    entropy=0.005,
    max_learning_rate=2e-3,
    mirror=True,
    privileged=True,
)
"""Flat ground on two cores: few robots and so many updates, networks that know left from right only as mirror images."""

WALK_ROUGH = dataclasses.replace(WALK_FLAT, updates=4000, hidden=(256, 128, 64), max_learning_rate=5e-4)
"""Rough ground on two cores, from a policy that walks on flat ground."""
