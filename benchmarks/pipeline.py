"""The paper's supplement: the time of an update's parts, and the memory, against the number of robots, on flat and on rough ground.

::

    python -m locoenvs.benchmarks.pipeline --out benchmarks/results/pipeline.json --plots docs/images/pipeline.png

Each is a short training in a process of its own, whose memory is then of these robots alone. Medians over its updates but for the first, which compiles;
what was never compiled on this machine takes 100 MiB more, so call it with few robots before.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.evidence.plots import check_picture, figure_of, plain, save
from locoenvs.machine import measured_by
from locoenvs.training import learners
from locoenvs.training.run import Run

GROUNDS = {"flat": "Loco/AnymalC-Flat-v0", "rough": "Loco/AnymalC-Rough-v0"}
PARTS = ("environment", "inference", "learning")

Results = dict[str, dict[str, dict[str, float]]]
"""Ground, then number of robots, then the parts' seconds an update and the memory, MiB."""


def measure(ground: str, robots: int, updates: int, recipe: str, learner: str) -> dict[str, float]:
    """A short training by another process. Raises RuntimeError if it fails."""
    with tempfile.TemporaryDirectory() as place:
        given = [f"--worker={place}", f"--grounds={ground}", f"--robots={robots}", f"--updates={updates}"]
        given += [f"--recipe={recipe}", f"--learner={learner}"]
        command = [sys.executable, "-m", "locoenvs.benchmarks.pipeline", *given]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            raise RuntimeError(f"the training of {robots} robots on {ground} ground failed")
        return found(Run(Path(place) / "run"))


def found(run: Run) -> dict[str, float]:
    """The parts' seconds an update, the median of all but the first, and the most memory, MiB, of the process and of its GPU if it uses one."""
    lines = [line for line in run.records() if line["kind"] == "update"]
    told = {part: statistics.median(line["seconds"][part] for line in lines[1:]) for part in PARTS}
    for name in ("memory_mb", "device_memory_mb"):
        if lines[-1][name] is not None:
            told[name] = max(line[name] for line in lines)
    return told


def picture(results: Results, path: Path) -> None:
    """Draw the two plots: seconds an update by part, and memory, against the number of robots; rough ground is dashed."""
    figure = figure_of(11)
    times, memory = figure.subplots(1, 2)
    for ground, style in zip(results, ("-", "--")):
        robots = [int(count) for count in results[ground]]
        told = list(results[ground].values())
        for index, part in enumerate(PARTS):
            seconds = [each[part] for each in told]
            times.plot(robots, seconds, style, marker="o", markersize=4, color=f"C{index}", label=f"{part}, {ground}")
        for index, (name, words) in enumerate({"memory_mb": "process", "device_memory_mb": "GPU"}.items()):
            if all(name in each for each in told):
                size = [each[name] for each in told]
                memory.plot(
                    robots, size, style, marker="o", markersize=4, color=f"C{index}", label=f"{words}, {ground}"
                )
    times.set(yscale="log", ylabel="seconds an update")
    memory.set(ylim=(0, None), ylabel="memory, MiB")
    for axes in (times, memory):
        axes.set_xscale("log", base=2)
        axes.set_xticks(robots, [str(count) for count in robots])
        axes.minorticks_off()
        axes.set_xlabel("robots")
        axes.legend(fontsize=8, frameon=False, handlelength=4)
        plain(axes)
    save(figure, path, dpi=140)


def table(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """The results for reading."""
    made = Table("ground", "robots", *(f"{part}, s" for part in PARTS), "memory, MiB")
    for ground, by_robots in results.items():
        for robots, told in by_robots.items():
            made.add_row(ground, robots, *(f"{told[part]:.3f}" for part in PARTS), f"{told['memory_mb']:,.0f}")
    return made


def pipeline(
    robots: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048, 4096),
    grounds: tuple[str, ...] = tuple(GROUNDS),
    updates: int = 4,
    recipe: str = "walk",
    learner: str = "rsl_rl",
    out: Path = Path("pipeline.json"),
    plots: Path | None = None,
    worker: Path | None = None,
) -> None:
    """Measure short trainings of several numbers of robots.

    Args:
        robots: Numbers of robots.
        grounds: flat, rough.
        updates: Updates of each training, at least two.
        recipe: Recipe of the task and of PPO.
        learner: Who learns.
        out: File for the result, as JSON.
        plots: File for the plots.
        worker: Folder of one of the processes that this starts.
    """
    if updates < 2:
        raise ValueError(f"updates={updates}: the first one compiles and does not count, ask for at least 2")
    if wrong := [ground for ground in grounds if ground not in GROUNDS]:
        raise ValueError(f"grounds={wrong[0]!r}: must be among {', '.join(GROUNDS)}")
    if worker is not None:
        chosen: dict[str, Any] = {"recipe": recipe, "validate_every": 0, "run": str(worker / "run")}
        learners.train(GROUNDS[grounds[0]], learner, num_envs=robots[0], updates=updates, **chosen)
        return
    if plots is not None:
        check_picture(plots)
    results: Results = {ground: {} for ground in grounds}
    for count in robots:
        for ground in grounds:
            results[ground][str(count)] = measure(ground, count, updates, recipe, learner)
    Console().print(table(results))
    made = measured_by("pipeline", "locoenvs", "mujoco", "numpy", "torch", "rsl-rl-lib", "skrl")
    asked = {"environments": GROUNDS, "recipe": recipe, "learner": learner, "updates": updates}
    reports.write(out, {**made, **asked, "load": os.getloadavg(), "results": results})
    if plots is not None:
        picture(results, plots)


if __name__ == "__main__":
    tyro.cli(pipeline)
