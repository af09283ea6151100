"""Which configuration goes on, and how far: successive halving, of equal budgets, by what validation says.

At each rung one in ``factor`` of those that got there goes on, the best ones: Jamieson and Talwalkar, *Non-stochastic Best Arm
Identification and Hyperparameter Optimization* (AISTATS 2016). With several trainings at a time nobody waits for the slowest of a rung:
whoever is among the best of those that are there goes on, as in Li et al., *A System for Massively Parallel Hyperparameter Tuning*
(MLSys 2020), algorithm 2. One training at a time is the former, exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

Rank = tuple[float, ...]
"""How good a configuration is at a rung: the larger the better."""


def next_up(
    reached: Mapping[str, Sequence[Rank]], rungs: int, factor: int | None, busy: Collection[str], spared: str
) -> tuple[str, int] | None:
    """The configuration to train next and the rung to train it to; None if there is nothing to do, or nothing yet.

    Args:
        reached: configuration -> how good it was at each rung that it got to, in the order in which they begin.
        rungs: how many there are.
        factor: one in so many goes on; None lets all.
        busy: configurations that are being trained.
        spared: the configuration that goes to the end whatever it is like, and is none of those that compete.
    """
    if spared in reached and spared not in busy and len(reached[spared]) < rungs:
        return spared, len(reached[spared])
    others = {name: ranks for name, ranks in reached.items() if name != spared}
    for name, ranks in others.items():
        if name not in busy and not ranks:
            return name, 0
    for rung in range(rungs - 1):
        best = best_at(others, rung)
        goes_on = best if factor is None else best[: len(best) // factor]
        for name in goes_on:
            if name not in busy and len(others[name]) == rung + 1:
                return name, rung + 1
    highest = max((len(ranks) for ranks in others.values()), default=0)
    if 0 < highest < rungs and not busy:  # too few for one in ``factor``: the best goes on all the same
        return best_at(others, highest - 1)[0], highest
    return None


def best_at(reached: Mapping[str, Sequence[Rank]], rung: int) -> list[str]:
    """Those that got to a rung, the best first; of equal ones the earlier."""
    there = [name for name, ranks in reached.items() if len(ranks) > rung]
    return sorted(there, key=lambda name: tuple(-value for value in reached[name][rung]))
