"""The parts, and one policy on two engines, for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from locoenvs.benchmarks.isaaclab.robots import Where


def table(done: dict[str, Any], where: Where) -> Table:
    """The parts and their main numbers, for people."""
    made = Table("part", "", "numbers", title=f"the task in Isaac Lab, {where.physics} on {where.device}")
    for part, found in done.items():
        numbers = {
            key: value for key, value in found.items() if isinstance(value, int | float) and not isinstance(value, bool)
        }
        text = ", ".join(f"{key} {value:.3g}" for key, value in numbers.items() if not key.endswith("_seconds"))
        made.add_row(part, "passed" if found["passed"] else "FAILED", text)
    return made


def transfer(found: dict[str, Any]) -> Table:
    """One policy on two engines: what differs."""
    made = Table("metric", "native MuJoCo", "Isaac Lab", "difference", title="one policy on the held-out flat panel")
    for name, difference in found["differences"].items():
        native, here = (found[which]["metrics"][name] for which in ("native", "result"))
        made.add_row(name.replace("_", " "), _interval(native), _interval(here), f"{difference:+.3g}")
    return made


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return f"{estimate['value']:.3g}"
    return f"{estimate['value']:.3g} ({estimate['low']:.3g} to {estimate['high']:.3g})"
