"""Everyone at one number of robots, in turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from locoenvs.benchmarks.peers.contestants import OURS, Contestant
from locoenvs.benchmarks.peers.processes import Failed, Worker

BARE = "mujoco.batch"
FACTS = ("physics_seconds", "physics_steps", "observation", "touching", "make_seconds", "memory_mb")

Make = Callable[[Contestant, int], Any]
"""Makes a contestant's worker for so many robots. Raises Failed."""


def compete(
    contestants: tuple[Contestant, ...],
    robots: int,
    seconds: float,
    repeats: int,
    make: Make,
    before: Sequence[dict[str, Any]] = (),
    most_mb: float | None = None,
) -> list[dict[str, Any]]:
    """A row for each contestant and bare physics: how fast each was, or why it could not be measured.

    One that, by the rows of ``before`` with other numbers of robots, would take more memory than ``most_mb`` is not made.
    """
    workers: dict[str, Any] = {}
    rates: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    for contestant in contestants:
        try:
            check(contestant, robots, before, most_mb)
            workers[contestant.name] = make(contestant, robots)
        except Failed as error:
            failed[contestant.name] = str(error)
    try:
        for _ in range(repeats):
            for contestant in contestants:
                name = contestant.name
                if name not in workers or name in failed:
                    continue
                try:
                    for measured, rate in workers[name].rates(seconds).items():
                        rates.setdefault(_title(contestant, measured), []).append(rate)
                except Failed as error:
                    failed[name] = str(error)
    finally:
        for worker in workers.values():
            worker.close()
    rows = []
    for contestant in contestants:
        measured = [contestant.name]
        if contestant.kind == OURS and contestant.name not in failed:
            measured.append(_title(contestant, BARE))
        for name in measured:
            facts = workers[contestant.name].facts if contestant.name in workers else {}
            rows.append(row(contestant, name, robots, rates, failed.get(contestant.name), facts))
    return rows


def row(
    contestant: Contestant,
    name: str,
    robots: int,
    rates: dict[str, list[float]],
    error: str | None,
    facts: dict[str, Any],
) -> dict[str, Any]:
    """What is told of one that was measured. ``ours_to_it`` is the median of the turns' ratios."""
    bare = name != contestant.name
    said = {key: asdict(contestant)[key] for key in ("library", "task", "robot", "ground", "against", "differs")}
    if bare:
        said |= {"library": BARE, "differs": "physics alone, with the same states and actions: no task, no resets"}
        facts = {key: value for key, value in facts.items() if key != "memory_mb"}
    head: dict[str, Any] = {"name": name, "robots": robots, **said, **{key: facts.get(key) for key in FACTS}}
    if error is not None:
        return head | {"error": error}
    mine, ours = rates[name], rates.get(contestant.against, [])
    ratios = [a / b for a, b in zip(ours, mine)]
    middle = statistics.median(mine)
    return head | {
        "control_steps_per_second": round(middle, 1),
        "physics_steps_per_second": round(middle * facts["physics_steps"], 1),
        "ours_to_it": round(statistics.median(ratios), 3) if ratios else None,
        "repeats": [round(rate, 1) for rate in mine],
    }


def check(contestant: Contestant, robots: int, before: Sequence[dict[str, Any]], most_mb: float | None) -> None:
    """Raises Failed for more robots than a contestant can do."""
    if contestant.most_robots is not None and robots > contestant.most_robots:
        raise Failed(f"more than {contestant.most_robots} robots, each with a model of its own")
    told = [row for row in before if row["name"] == contestant.name and row.get("memory_mb")]
    if most_mb is None or not told:
        return
    most = max(told, key=lambda row: row["robots"])
    each = (memory_per_1024(told, contestant.name) or 0.0) / 1024
    needed = most["memory_mb"] + each * (robots - most["robots"])
    if needed > most_mb:
        raise Failed(f"{robots} robots would take {needed / 1024:.0f} GB of memory, {each:.0f} MB each")


def memory_per_1024(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    """MB that 1024 more robots take: between the least and the most robots that were measured; None if that is one number
    or so few that nothing of it can be seen."""
    told = {row["robots"]: row["memory_mb"] for row in rows if row["name"] == name and row.get("memory_mb")}
    if len(told) < 2:
        return None
    least, most = min(told), max(told)
    grown = told[most] - told[least]
    return round(1024 * grown / (most - least), 1) if grown > 0 else None


def worker(pythons: dict[str, Path | str], threads: int, folder: Path) -> Make:
    """Makes workers by library -> its interpreter, or why there is none."""

    def make(contestant: Contestant, robots: int) -> Worker:
        python = pythons[contestant.library]
        if isinstance(python, str):
            raise Failed(python)
        return Worker(contestant, python, robots, threads, folder)

    return make


def _title(contestant: Contestant, measured: str) -> str:
    return contestant.name if measured == "environment" else f"{measured}, {contestant.name.partition(', ')[2]}"
