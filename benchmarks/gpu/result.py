"""All results so far, as a file and as tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rich.table import Table

from locoenvs.benchmarks import parity, reports
from locoenvs.benchmarks.gpu.device import card
from locoenvs.benchmarks.gpu.parts import parts
from locoenvs.benchmarks.gpu.plan import ACTUATOR, IDS, Plan
from locoenvs.envs.registration import task as task_of
from locoenvs.machine import measured_by


def document(work: Path, plan: Plan, waiting: list[str]) -> dict[str, Any]:
    """All results so far."""
    names = {part.name.replace("/", "-"): part.name for part in parts(plan)}
    finished = {
        names[path.stem]: reports.read(path) for path in sorted((work / "parts").glob("*.json")) if path.stem in names
    }
    header = measured_by("gpu", *parity.PACKAGES)
    return {
        **header,
        "hardware": {**header["hardware"], **card()},
        "task_hashes": {ground: task_of(env_id, actuator=ACTUATOR).hash for ground, env_id in IDS.items()},
        "plan": dataclasses.asdict(plan),
        "waiting": waiting,
        "errors": reports.read(work / "errors.json"),
        "parts": finished,
    }


def tables(outcomes: dict[str, Any]) -> list[Table]:
    """Speed and trainings for reading."""
    speeds = Table(title="control steps per second")
    columns = ("part", "impl", "whole", "bare", "bare / whole", "with a network", "first step, s")
    for column in (*columns, "process peak so far, MiB"):
        speeds.add_column(column, justify="right" if column != "part" else "left")
    trained = Table("training", "robots", "updates", "seconds", "calls", title="trainings")
    for name, part in outcomes.items():
        if name.startswith("speed") and "skipped" not in part:
            rates = part["control_steps_per_second"]
            acting = next((f"{rate:,}" for key, rate in rates.items() if key.startswith("with")), "")
            memory = part["memory"].get("process_peak_jax_mib_so_far", "")
            speeds.add_row(
                name, part["impl"], f"{rates['whole']:,}", f"{rates['bare']:,}", str(part["bare_to_whole"]), acting,
                str(part["first_step_seconds"]), str(memory),
            )  # fmt: skip
        if name.startswith("train/"):
            trained.add_row(name, *(str(part[key]) for key in ("robots", "updates", "seconds", "calls")))
    return [table for table in (speeds, trained) if table.row_count]
