"""Does what is learned carry over, and can it be learned here."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from locoenvs.benchmarks.isaaclab.plan import LIMITS, ROUGH
from locoenvs.benchmarks.isaaclab.robots import Where
from locoenvs.evidence.evaluate import Result, evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.policies.policy import load_policy
from locoenvs.training.settings import TrainSettings


def panel(where: Where, robots: int | None, policy: Path, native: Path) -> dict[str, Any]:
    """The flat panel, beside the result in ``native`` of the same policy on native MuJoCo."""
    whole = load_panel("flat")
    asked = whole if robots is None else dataclasses.replace(whole, num_robots=robots)
    loaded = load_policy(policy)
    result = evaluate(loaded, asked, "isaaclab", device=where.device, options={"physics": where.physics})
    falls, error = result.metrics["fall_rate"].value, result.metrics["velocity_error"].value
    outcome: dict[str, Any] = {
        "result": json.loads(result.to_json(robots=False)),
        "passed": falls <= LIMITS["fall_rate"] and error <= LIMITS["velocity_error"],
    }
    if native.exists():
        beside = Result.from_json(native.read_bytes())
        same = (beside.panel_hash, beside.policy_sha256) == (result.panel_hash, result.policy_sha256)
        outcome["native"] = json.loads(beside.to_json(robots=False)) if same else None
        there, here = beside.metrics, result.metrics
        more = {name: here[name].value - there[name].value for name in there if name in here}
        outcome["differences"] = more if same else None
        outcome["comparable"] = same
    return outcome


def learn(where: Where, robots: int) -> dict[str, Any]:
    """Two updates of RSL-RL's PPO on the rough task, as ``locoenvs train`` does them: on the physics that it would take."""
    from locoenvs.training.run import Run
    from locoenvs.wrappers.rsl_rl import train

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainSettings(
            ROUGH,
            actuator="pd",
            backend="isaaclab",
            device=where.device,
            num_envs=robots,
            updates=2,
            run=f"{folder}/run",
        )
        updates = [line for line in Run.open(train(ROUGH, settings)).records() if line["kind"] == "update"]
    losses = [line["losses"] for line in updates]
    finite = all(np.isfinite(value) for update in losses for value in update.values())
    return {"updates": len(updates), "losses": losses, "passed": finite and len(updates) == 2}
