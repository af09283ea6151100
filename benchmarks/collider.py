"""This project's contacts with uneven ground against MJX's own heightfield collider, both on JAX, in turns in one run.

::

    python -m locoenvs.benchmarks.collider --robots 512 --out benchmarks/results/collider.json
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from rich.console import Console

from locoenvs.benchmarks import reports
from locoenvs.benchmarks.parity import PACKAGES
from locoenvs.envs.registration import make_vector
from locoenvs.machine import measured_by
from locoenvs.numerics.arrays import convert

ENVIRONMENT = "Loco/AnymalC-Rough-v0"
CONTACTS = ("triangles", "mujoco")


def collider(
    robots: int = 512,
    steps: int = 10,
    repeats: int = 5,
    settle: int = 30,
    device: str | None = "cpu",
    out: Path | None = None,
) -> dict[str, Any]:
    """Measure both.

    Args:
        robots: Number of robots.
        steps: Control steps of a turn.
        repeats: Turns of each.
        settle: Control steps before anything is measured.
        device: Where the robots live.
        out: File for the result, as JSON.
    """
    options = {contact: {"impl": "jax", "contact": contact} for contact in CONTACTS}
    envs = {
        contact: make_vector(
            ENVIRONMENT, robots, actuator="pd", backend="mjx", device=device, array="jax", options=options[contact]
        )
        for contact in CONTACTS
    }
    draw = np.random.default_rng(0)
    actions = [
        convert(action, "jax", envs[CONTACTS[0]].simulator.device)
        for action in draw.standard_normal((steps, robots, 12), dtype=np.float32)
    ]
    for env in envs.values():
        env.reset(seed=0)
        for t in range(settle):
            env.step(actions[t % steps])
    rates: dict[str, list[float]] = {contact: [] for contact in CONTACTS}
    for _ in range(repeats):
        for contact, env in envs.items():
            jax.block_until_ready(env.state.physics)
            start = time.perf_counter()
            for action in actions:
                env.step(action)
            jax.block_until_ready(env.state.physics)
            rates[contact].append(steps * robots / (time.perf_counter() - start))
    result = {
        **measured_by("collider", *PACKAGES),
        "robots": robots,
        "control_steps_per_second": {name: round(statistics.median(values), 1) for name, values in rates.items()},
        "ratio": round(statistics.median(a / b for a, b in zip(*rates.values())), 3),
        "repeats": {name: [round(rate, 1) for rate in values] for name, values in rates.items()},
    }
    Console().print_json(json.dumps({name: result[name] for name in ("robots", "control_steps_per_second", "ratio")}))
    if out is not None:
        reports.write(out, result)
    return result


if __name__ == "__main__":
    tyro.cli(collider)
