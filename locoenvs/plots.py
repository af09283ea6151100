"""The course of a training run as a picture. It needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def learning_picture(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a ledger's updates over time: the reward, each of its terms, and how episodes ended."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "locoenvs[viz]"') from error
    updates = [record for record in records if record["kind"] == "update"]
    if not updates:
        raise ValueError("the ledger has no updates: nothing to draw")
    minutes = [update["elapsed_seconds"] / 60 for update in updates]
    figure = Figure(figsize=(14, 4), dpi=100, layout="constrained")
    total, terms, ends = figure.subplots(1, 3)
    total.plot(minutes, [update["reward_per_second"] for update in updates], color="tab:blue")
    total.set_title("reward, 1/s", loc="left")
    for name in updates[-1]["terms_per_second"]:
        terms.plot(minutes, [update["terms_per_second"][name] for update in updates], label=name.replace("_", " "))
    terms.set_title("reward terms, 1/s", loc="left")
    terms.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for name in updates[-1]["resets"]:
        counts = [update["resets"][name] for update in updates]
        ends.plot(minutes, counts, label=name.replace("_", " "), alpha=0.8)
    ends.set_title("episodes ended in an update", loc="left")
    ends.legend(fontsize=8)
    for axes in (total, terms, ends):
        axes.set_xlabel("minutes")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
