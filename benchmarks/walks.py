"""Validation against minutes, of several trainings: when each of them walked well enough.

::

    python -m locoenvs.benchmarks.walks benchmarks/results/walk-seed-* --out docs/images/walks.png

Nothing is trained or evaluated: all of it stands in the ledgers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from locoenvs.evidence.audit import BAR
from locoenvs.evidence.metrics import UNITS
from locoenvs.evidence.plots import figure_of, plain, save
from locoenvs.training.run import Run


def validations_of(folder: Path) -> list[dict[str, Any]]:
    """The ledger's lines of validations. Raises FileNotFoundError for a folder that is no run, ValueError for a run without any."""
    lines = [line for line in Run.open(folder).records() if line["kind"] == "validation"]
    if not lines:
        raise ValueError(f"{folder}: its ledger has no validation: train with --validate-every")
    return lines


def walks(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], out: Path = Path("walks.png")) -> None:
    """Draw what validation found of each training against its minutes, and the bar, dashed.

    Args:
        runs: Folders of runs, or of recipes with their ledgers.
        out: A picture.
    """
    judged = {folder.name: validations_of(folder) for folder in runs}
    figure = figure_of(13, 3.6)
    for axes, (name, limit) in zip(figure.subplots(1, len(BAR)), BAR.items()):
        scale = 100 if UNITS[name] == "%" else 1
        for label, lines in judged.items():
            minutes = [line["elapsed_seconds"] / 60 for line in lines]
            axes.plot(minutes, [scale * line["metrics"][name] for line in lines], marker="o", markersize=4, label=label)
        axes.axhline(scale * limit, color="black", linewidth=1, linestyle="--")
        axes.set(xlabel="minutes of training", xlim=(0, None))
        if scale == 100:
            axes.set_yscale("symlog", linthresh=1)
            axes.set_yticks([0, 1, 2, 5, 10, 50], ["0", "1", "2", "5", "10", "50"])
        axes.set_ylim(0, None)
        axes.set_title(f"validation: {name.replace('_', ' ')}, {UNITS[name]}", loc="left")
        plain(axes)
    figure.axes[0].legend(fontsize=8, frameon=False)
    save(figure, out)


if __name__ == "__main__":
    tyro.cli(walks)
