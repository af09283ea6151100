"""What a learner must do to be trained by :func:`locoenvs.wrappers.training.train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from locoenvs.mdp.symmetry import Mirror
from locoenvs.numerics.arrays import Kind
from locoenvs.policies.policy import Layer
from locoenvs.wrappers.diagnostics import Diagnosis
from locoenvs.wrappers.metered import MeteredEnv
from locoenvs.wrappers.ppo import PPOConfig


@dataclass(frozen=True)
class Update:
    """What a learner says of one update. ``learning_seconds`` is the part that was not spent on the rollout.

    ``losses`` are without their coefficients: "value" is the squared error, "entropy" the entropy of the policy itself,
    left out where a learner without a coefficient for it does not tell. ``diagnosis`` is for learners that have what it is of.
    """

    learning_seconds: float
    losses: dict[str, float]
    learning_rate: float
    action_std: float
    diagnosis: Diagnosis | None = None


class Learner(Protocol):
    """A library's PPO on one environment. Randomness is torch's and numpy's global one, or is saved by the learner."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """The distributions whose versions decide what it does."""
    array: ClassVar[Kind]
    """What arrays the environment should return."""

    def __init__(self, env: MeteredEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        """Reset ``env`` with ``seed`` and build the networks, left-right symmetric by ``mirror`` if it is given.

        ``env`` has the robots of this process, ``ppo.num_envs`` is the number of all.
        """

    def update(self) -> Update:
        """One rollout of ``ppo.horizon`` steps and what is learned from it."""

    def save(self) -> dict[str, Any]:
        """All that the next update depends on, beside the environment: a tree of tensors and plain values."""

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        """Go on from what :meth:`save` returned, with the observation that the environment gives to act on next."""

    def layers(self) -> list[Layer]:
        """The layers that map an observation to the mean of the actions."""

    def start_from(self, weights: list[Layer]) -> None:
        """Let :meth:`layers` be these; raises ValueError if they do not fit."""
