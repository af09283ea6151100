"""A short evaluation in which robots fall: the shipped rough policy before steep stairs, pushed at 3 m/s."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pytest

from locoenvs.evidence.evaluate import Result, evaluate
from locoenvs.evidence.failures import archive
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import Panel, load_panel
from locoenvs.policies.policy import POLICIES, Policy, load_policy


def panel(seconds: float = 3.0) -> Panel:
    """Eight robots on four tiles of stairs, pushed at 2.4 s."""
    rough = load_panel("rough")
    task = rough.task.with_(
        {
            "terrain.levels": 2,
            "terrain.columns": 2,
            "terrain.border": 4.0,
            "terrain.shares": [{"kind": "stairs_up", "share": 1.0, "parameters": {"riser": [0.3, 0.35]}}],
            "timing.episode_length": seconds,
            "randomization.pushes.interval": 2.4,
            "randomization.pushes.velocity": 3.0,
        }
    )
    return dataclasses.replace(rough, name="pushed before stairs", num_robots=8, task=task)


def policy() -> Policy:
    pytest.importorskip("onnxruntime")
    return load_policy(POLICIES / "anymal_c_rough")


@dataclasses.dataclass(frozen=True)
class Evaluated:
    keeper: Keeper
    result: Result
    panel: Panel
    policy: Policy


@functools.cache
def evaluated() -> Evaluated:
    """Robots 0 and 7 fall, at steps 134 and 128, the others do not."""
    pytest.importorskip("mujoco")
    keeper, held_out, driver = Keeper(), panel(), policy()
    return Evaluated(keeper, evaluate(driver, held_out, "mujoco", watch=keeper), held_out, driver)


def written(folder: Path) -> Path:
    """The file of the result of :func:`evaluated`, with what led to its falls beside it."""
    made, path = evaluated(), folder / "result.json"
    path.write_text(made.result.to_json())
    archive.write(archive.beside(path), made.keeper, made.result, made.panel, made.policy, {})
    return path
