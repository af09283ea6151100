"""The parts, and one policy on two engines, for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from locoenvs.benchmarks.isaaclab.robots import Where


def table(done: dict[str, Any], where: Where) -> Table:
    """The parts and their main numbers, for people."""
    output = Table("part", "", "numbers", title=f"the task in Isaac Lab, {where.physics} on {where.device}")
    for part, outcome in done.items():
        numbers = {
            key: value
            for key, value in outcome.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        text = ", ".join(f"{key} {value:.3g}" for key, value in numbers.items() if not key.endswith("_seconds"))
        output.add_row(part, "passed" if outcome["passed"] else "FAILED", text)
    return output


def transfer(outcome: dict[str, Any]) -> Table:
    """One policy on two engines: what differs."""
    output = Table("metric", "native MuJoCo", "Isaac Lab", "difference", title="one policy on the held-out flat panel")
    for name, difference in outcome["differences"].items():
        native, here = (outcome[which]["metrics"][name] for which in ("native", "result"))
        output.add_row(name.replace("_", " "), _interval(native), _interval(here), f"{difference:+.3g}")
    return output


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return f"{estimate['value']:.3g}"
    return f"{estimate['value']:.3g} ({estimate['low']:.3g} to {estimate['high']:.3g})"
