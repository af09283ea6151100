"""Benchmarks that are studies: the file that asks for one, where it goes, and its result as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from locoenvs.machine import hardware, versions
from locoenvs.training.study.report import Row

SMALL: dict[str, Any] = {
    "robot.action_scale": 0.4,
    "timing.episode_length": 0.4,
    "ppo.hidden": [8],
    "ppo.epochs": 1,
}
"""What makes a smoke test: short episodes, validated on them too as no panel of the suite has that action scale."""

TOLD = ("success_rate", "fall_rate", "velocity_error")
"""What is told of validation."""


def toml(fields: Mapping[str, Any], changes: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> str:
    """A study's file: ``changes`` are of all its trainings, ``points`` what they differ by; a field that is None is left out."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if value is not None]
    for head, values in (("[set]", changes), *(("[[points]]", point) for point in points)):
        lines += ["", head, *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def places(name: str, folder: Path | None, out: Path | None, smoke: bool) -> tuple[Path, Path]:
    """The folder of a study, and the file of its result. A smoke test has places of its own, so that it is never in the way of a result."""
    folder = folder or Path("runs", f"{name}-smoke" if smoke else name)
    return folder, out or (
        folder.with_name(f"{folder.name}.json") if smoke else Path("benchmarks/results", f"{name}.json")
    )


def told(row: Row) -> dict[str, Any]:
    """What a result has of every configuration: intervals are over seeds."""
    numbers = {name: dataclasses.asdict(spread) for name, spread in row.numbers.items()}
    return {
        "seeds": row.seeds,
        "updates": row.updates,
        "status": row.status,
        "error": row.error,
        "numbers": numbers,
    }


def report(name: str, study: str, packages: Sequence[str], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The result of the benchmark of that name: ``study`` is its file, ``packages`` are those whose versions matter."""
    return {
        "command": " ".join([f"python -m locoenvs.benchmarks.{name}", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "versions": versions("locoenvs", *packages),
        "study": study,
        "results": results,
    }
