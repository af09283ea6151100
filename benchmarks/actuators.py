"""What the learned drive costs: the environment with it and with the PD law, in turns in one run, on the same policy's motions.

::

    python -m locoenvs.benchmarks.actuators --out benchmarks/results/actuators.json
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.envs.registration import make_vector
from locoenvs.machine import measured_by
from locoenvs.policies.policy import POLICIES, load_policy
from locoenvs.tasks.recipes import ACTUATORS

GROUNDS = {"flat": "Loco/AnymalC-Flat-v0", "rough": "Loco/AnymalC-Rough-v0"}


def measure(env_id: str, policy: Path, robots: int, steps: int, settle: int, repeats: int) -> dict[str, Any]:
    """Control steps a second with each kind, without the policy's own time, and the medians of their ratios."""
    act = load_policy(policy)
    envs = {kind: make_vector(env_id, robots, actuator=kind, backend="mujoco") for kind in ACTUATORS}
    seen = {kind: env.reset(seed=0)[0] for kind, env in envs.items()}
    rates: dict[str, list[float]] = {kind: [] for kind in envs}
    for turn in range(repeats + 1):
        for kind, env in envs.items():
            spent, count = 0.0, steps if turn else settle
            for _ in range(count):
                action = act(seen[kind])
                start = time.perf_counter()
                seen[kind] = env.step(action)[0]
                spent += time.perf_counter() - start
            if turn:
                rates[kind].append(robots * count / spent)
    for env in envs.values():
        env.close()
    return {
        "environment": env_id,
        "robots": robots,
        "control_steps_per_second": {kind: round(statistics.median(values), 1) for kind, values in rates.items()},
        "lstm_to_pd": round(statistics.median(a / b for a, b in zip(rates["lstm"], rates["pd"])), 3),
        "repeats": {kind: [round(value, 1) for value in values] for kind, values in rates.items()},
    }


def table(results: list[dict[str, Any]]) -> Table:
    """The results for reading."""
    made = Table("environment", "robots", *ACTUATORS, "lstm / pd", title="control steps per second")
    for result in results:
        cells = [f"{result['control_steps_per_second'][kind]:,.0f}" for kind in ACTUATORS]
        made.add_row(result["environment"], str(result["robots"]), *cells, f"{result['lstm_to_pd']:.2f}")
    return made


def actuators(
    robots: int = 4096,
    steps: int = 10,
    settle: int = 50,
    repeats: int = 5,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """Measure both grounds.

    Args:
        robots: Number of robots.
        steps: Control steps of a turn.
        settle: Control steps before anything is measured.
        repeats: Turns of each kind.
        out: File for the result, as JSON.
    """
    results = [
        measure(env_id, POLICIES / f"anymal_c_{ground}", robots, steps, settle, repeats)
        for ground, env_id in GROUNDS.items()
    ]
    Console().print(table(results))
    if out is not None:
        report = {
            **measured_by("actuators", "locoenvs", "mujoco", "numpy"),
            "results": results,
        }
        reports.write(out, report)
    return results


if __name__ == "__main__":
    tyro.cli(actuators)
