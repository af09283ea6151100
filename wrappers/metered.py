"""The environment that a training run steps: it times itself and adds up what the ledger wants to know."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert


class MeteredEnv(LocoVectorEnv):
    """The batched environment with a tally of the steps since :meth:`clear`, whoever learns.

    ``seconds`` is how long those steps took.
    """

    def clear(self) -> None:
        """Begin a new tally."""
        self.seconds = 0.0
        self.steps = 0
        self._sums: dict[str, Any] = {}
        self._most: dict[str, Any] = {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        begun = time.perf_counter()
        returned = super().step(actions)
        self.seconds += time.perf_counter() - begun
        _, reward, _, _, info = returned
        self.count(1, actions, reward, info["reward_terms"], info["reset_reason"])
        return returned

    def count(self, steps: int, actions: Any, reward: Any, terms: Mapping[str, Any], reasons: Any) -> None:
        """Add that many steps of all robots to the tally, whose arrays may lead with the steps."""
        xp, on = array_namespace(reward), array_namespace(actions)
        beyond = abs(actions) >= self.task.action_clip  # some learners clip to the action space by themselves
        self.steps += steps
        self._add("reward", steps * xp.mean(reward))
        self._add("clipped", steps * on.mean(on.astype(beyond, on.float32)))
        for name, value in terms.items():
            self._add(f"terms/{name}", steps * xp.mean(value))
        for index, name in enumerate(self.reset_reasons[1:], 1):
            ended = xp.astype(reasons == index, xp.int32)
            at_once = xp.max(xp.sum(ended, axis=-1))
            self._add(f"resets/{name}", xp.sum(ended))
            self._most[name] = xp.maximum(self._most[name], at_once) if name in self._most else at_once

    def _add(self, name: str, value: Any) -> None:
        """Sums stay where the arrays are: to look at them would wait for an accelerator."""
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def tally(self) -> dict[str, Any]:
        """What a ledger's line says of the steps since :meth:`clear`.

        Rewards are per second of robot time, so that a term's largest value is its weight.
        """
        sums = {name: float(value) for name, value in self._sums.items()}
        group = lambda part: {name.removeprefix(part): v for name, v in sums.items() if name.startswith(part)}  # noqa: E731
        per_second = 1 / (self.steps * self.task.timing.control_dt)
        line: dict[str, Any] = {
            "reward_per_second": sums["reward"] * per_second,
            "terms_per_second": {name: value * per_second for name, value in group("terms/").items()},
            "resets": {name: int(count) for name, count in group("resets/").items()},
            "most_at_once": {name: round(int(count) / self.num_envs, 4) for name, count in self._most.items()},
            "action_clip_rate": sums["clipped"] / self.steps,
        }
        if self.task.terrain.kind == "tiles":
            counts = self._levels()
            line["levels"] = {kind: float(np.average(np.arange(len(n)), weights=n)) for kind, n in counts.items()}
            line["level_counts"] = {kind: n.tolist() for kind, n in counts.items()}
        return line

    def _levels(self) -> dict[str, np.ndarray]:
        """How many robots on each kind of terrain are on each level."""
        episodes, kinds = self.state.episodes, np.array(self.mdp.height_map.kinds)
        level, kind = convert(episodes.level, "numpy"), kinds[convert(episodes.column, "numpy")]
        levels = self.task.terrain.levels
        return {str(name): np.bincount(level[kind == name], minlength=levels) for name in np.unique(kind)}
