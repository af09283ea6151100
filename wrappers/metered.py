"""The environment that a training run steps: it times itself and adds up what the ledger wants to know."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from locoenvs.arrays import convert
from locoenvs.vector import LocoVectorEnv


class MeteredEnv(LocoVectorEnv):
    """The batched environment with a tally of the steps since :meth:`clear`, whoever learns.

    ``seconds`` is how long those steps took.
    """

    def clear(self) -> None:
        """Begin a new tally."""
        self.seconds = 0.0
        self.steps = 0
        self.reward = 0.0
        self.clipped = 0.0
        self.terms: dict[str, float] = {}
        self.reasons = np.zeros(len(self.reset_reasons), dtype=np.int64)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        begun = time.perf_counter()
        returned = super().step(actions)
        self.seconds += time.perf_counter() - begun
        _, reward, _, _, info = returned
        xp = array_namespace(actions)
        self.steps += 1
        self.reward += float(reward.mean())
        for name, value in info["reward_terms"].items():
            self.terms[name] = self.terms.get(name, 0.0) + float(value.mean())
        self.reasons += np.bincount(convert(info["reset_reason"], "numpy"), minlength=len(self.reasons))
        beyond = abs(actions) >= self.task.action_clip  # some learners clip to the action space by themselves
        self.clipped += float(xp.mean(xp.astype(beyond, xp.float32)))
        return returned

    def tally(self) -> dict[str, Any]:
        """What a ledger's line says of the steps since :meth:`clear`.

        Rewards are per second of robot time, so that a term's largest value is its weight.
        """
        per_second = 1 / (self.steps * self.task.timing.control_dt)
        counts = (int(count) for count in self.reasons[1:])
        line: dict[str, Any] = {
            "reward_per_second": self.reward * per_second,
            "terms_per_second": {name: value * per_second for name, value in self.terms.items()},
            "resets": dict(zip(self.reset_reasons[1:], counts, strict=True)),
            "action_clip_rate": self.clipped / self.steps,
        }
        if self.task.terrain.kind == "tiles":
            line["levels"] = self._levels()
        return line

    def _levels(self) -> dict[str, float]:
        """Mean level of the robots on each kind of terrain."""
        episodes, kinds = self.state.episodes, np.array(self.mdp.height_map.kinds)
        level, kind = convert(episodes.level, "numpy"), kinds[convert(episodes.column, "numpy")]
        return {str(name): float(level[kind == name].mean()) for name in np.unique(kind)}
