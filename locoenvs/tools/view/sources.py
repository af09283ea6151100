"""Policies of a training that goes on."""

from __future__ import annotations

from locoenvs.policies.policy import Policy, load_policy
from locoenvs.training.run import Run

EVERY = 1.0
"""s between two looks at the run's folder."""


class Followed:
    """The policy of a run, which the training writes anew whenever it is judged or filmed, and at its end."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._look_at = 0.0
        self._seen: int | None = None

    def newer(self, now: float) -> Policy | None:
        """A policy that was written since the last one. One that is being written is taken at a later look."""
        if now < self._look_at:
            return None
        self._look_at = now + EVERY
        try:
            written = (self.run.policy / "policy.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if written == self._seen:
            return None
        policy = load_policy(self.run.policy)
        self._seen = written
        return policy
