"""The environment that a training run steps: it times itself and adds up what the ledger wants to know."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert


@dataclass(frozen=True)
class Tally:
    """What so many steps of so many robots were like."""

    robots: int
    steps: int
    sums: dict[str, float]  # over the steps, of the mean over the robots
    ended: dict[str, np.ndarray]  # reason -> (steps,) robots that ended by it
    levels: dict[str, np.ndarray] | None  # kind of ground -> (levels,) robots; None on a plane

    def line(self, control_dt: float) -> dict[str, Any]:
        """What a ledger's line says of it. Rewards are per second of robot time, so that a term's largest value is its weight."""
        per_second = 1 / (self.steps * control_dt)
        terms = {name.removeprefix("terms/"): v for name, v in self.sums.items() if name.startswith("terms/")}
        line: dict[str, Any] = {
            "reward_per_second": self.sums["reward"] * per_second,
            "terms_per_second": {name: value * per_second for name, value in terms.items()},
            "resets": {name: int(counts.sum()) for name, counts in self.ended.items()},
            "most_at_once": {name: round(int(counts.max()) / self.robots, 4) for name, counts in self.ended.items()},
            "action_clip_rate": self.sums["clipped"] / self.steps,
        }
        if self.levels is not None:
            means = {kind: float(np.average(np.arange(len(n)), weights=n)) for kind, n in self.levels.items()}
            line |= {"levels": means, "level_counts": {kind: n.tolist() for kind, n in self.levels.items()}}
        return line


def added(tallies: Sequence[Tally]) -> Tally:
    """That of all the robots of several, which did the same steps."""
    first, *others = tallies
    if not others:
        return first
    levels = None
    if first.levels is not None:
        counts = [(kind, count) for each in tallies for kind, count in (each.levels or {}).items()]
        kinds = sorted({kind for kind, _ in counts})
        levels = {kind: np.sum([count for own, count in counts if own == kind], axis=0) for kind in kinds}
    return Tally(
        robots=sum(each.robots for each in tallies),
        steps=first.steps,
        sums={name: mean_of([(each.robots, each.sums[name]) for each in tallies]) for name in first.sums},
        ended={name: np.sum([each.ended[name] for each in tallies], axis=0) for name in first.ended},
        levels=levels,
    )


def mean_of(parts: Sequence[tuple[int, float]]) -> float:
    """The mean of numbers that weigh as many robots as they are of."""
    return sum(robots * value for robots, value in parts) / sum(robots for robots, _ in parts)


class MeteredEnv(LocoVectorEnv):
    """The batched environment with a tally of the steps since :meth:`clear`, whoever learns.

    ``seconds`` is how long those steps took.
    """

    def clear(self) -> None:
        """Begin a new tally."""
        self.seconds = 0.0
        self.steps = 0
        self._sums: dict[str, Any] = {}
        self._ended: dict[str, list[Any]] = {}

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
            at_once = xp.sum(xp.astype(reasons == index, xp.int32), axis=-1)
            self._ended.setdefault(name, []).append(xp.reshape(at_once, (-1,)))

    def _add(self, name: str, value: Any) -> None:
        """Sums stay where the arrays are: to look at them would wait for an accelerator."""
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def tally(self) -> dict[str, Any]:
        """What a ledger's line says of the steps since :meth:`clear`."""
        return self.counted().line(self.task.timing.control_dt)

    def counted(self) -> Tally:
        """What those steps were like."""
        ended = {name: array_namespace(*counts).concat(counts) for name, counts in self._ended.items()}
        return Tally(
            robots=self.num_envs,
            steps=self.steps,
            sums={name: float(value) for name, value in self._sums.items()},
            ended={name: np.asarray(convert(counts, "numpy")) for name, counts in ended.items()},
            levels=self._levels() if self.task.terrain.kind == "tiles" else None,
        )

    def _levels(self) -> dict[str, np.ndarray]:
        """How many robots on each kind of terrain are on each level."""
        episodes, kinds = self.state.episodes, np.array(self.mdp.height_map.kinds)
        level, kind = convert(episodes.level, "numpy"), kinds[convert(episodes.column, "numpy")]
        levels = self.task.terrain.levels
        return {str(name): np.bincount(level[kind == name], minlength=levels) for name in np.unique(kind)}
