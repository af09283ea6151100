"""One part after another, each kept when it is finished."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from locoenvs.backends.isaaclab import requirements
from locoenvs.benchmarks import reports
from locoenvs.benchmarks.isaaclab.episodes import fresh, rough
from locoenvs.benchmarks.isaaclab.physics import air, friction, order, standing
from locoenvs.benchmarks.isaaclab.plan import LIMITS, PARTS, Part
from locoenvs.benchmarks.isaaclab.policies import learn, panel
from locoenvs.benchmarks.isaaclab.robots import Where
from locoenvs.benchmarks.isaaclab.tables import table, transfer
from locoenvs.machine import measured_by

PACKAGES = (
    "locoenvs",
    "torch",
    "newton",
    "warp-lang",
    "mujoco-warp",
    "mujoco",
    "ovphysx",
    "usd-core",
    "rsl-rl-lib",
    "numpy",
)
"""Whose versions the result tells."""


def main(
    parts: tuple[Part, ...] = PARTS,
    physics: str | None = None,
    device: str | None = None,
    robots: int = 16,
    rough_robots: int = 64,
    steps: int = 1000,
    panel_robots: int | None = None,
    policy: Path | None = None,
    native: Path | None = None,
    out: Path = Path("benchmarks/results/isaaclab.json"),
) -> None:
    """Verify the task in Isaac Lab.

    Args:
        parts: Which parts.
        physics: newton, physx or ovphysx; the first that is installed by default.
        device: cpu, cuda; the first GPU or the CPU by default.
        robots: Robots of the small parts.
        rough_robots: Robots on rough ground.
        steps: Control steps on rough ground.
        panel_robots: Robots of the panel; all of it by default.
        policy: Folder of the policy for the panel; the shipped flat one by default.
        native: The policy's result on native MuJoCo; evaluation.json beside it by default.
        out: File for the results, as JSON; a part that passed in it is not done again.
    """
    from locoenvs.policies.policy import POLICIES

    console = Console()
    installation = requirements.find()
    where = Where(requirements.choose(installation, physics), requirements.device(device))
    policy = policy or POLICIES / "anymal_c_flat"
    native = native or policy / "evaluation.json"
    run: dict[Part, Callable[[], dict[str, Any]]] = {
        "order": lambda: order(where, robots),
        "air": lambda: air(where, robots),
        "standing": lambda: standing(where, robots),
        "friction": lambda: friction(where, robots),
        "fresh": lambda: fresh(where, robots),
        "rough": lambda: rough(where, rough_robots, steps),
        "panel": lambda: panel(where, panel_robots, policy, native),
        "learn": lambda: learn(where, rough_robots),
    }
    report: dict[str, Any] = reports.read(out)
    done: dict[str, Any] = report.get("parts", {})
    if done and (report["physics"], report["device"]) != (where.physics, _device(where.device)):
        raise SystemExit(
            f"{out} has results of {report['physics']} on {report['device']}: name another file with --out for "
            f"{where.physics} on {_device(where.device)}"
        )
    if "learn" in parts and where.physics != requirements.choose(installation, None):
        raise SystemExit(
            f"'locoenvs train' takes {requirements.choose(installation, None)} here, not {where.physics}: leave out part 'learn'"
        )
    for part in parts:
        if done.get(part, {}).get("passed"):
            continue
        begun = time.perf_counter(), time.process_time()
        result = run[part]()
        result["wall_seconds"] = round(time.perf_counter() - begun[0], 1)
        result["cpu_seconds"] = round(time.process_time() - begun[1], 1)
        done[part] = result
        report.update(
            measured_by("isaaclab", *PACKAGES),
            physics=where.physics,
            device=_device(where.device),
            isaaclab={"release": installation.major, "package": installation.package},
            limits=LIMITS,
            parts=done,
        )
        reports.write(out, report)
        console.print(f"{part}: {'passed' if result['passed'] else 'FAILED'}", highlight=False)
    console.print(table(done, where))
    if "panel" in done and done["panel"].get("differences"):
        console.print(transfer(done["panel"]))
    if not all(done[part]["passed"] for part in parts):
        sys.exit(1)


def _device(name: str) -> str:
    return "cpu" if name == "cpu" else f"{name}, {torch.cuda.get_device_name(name)}"
