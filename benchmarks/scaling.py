"""What several processes on this machine gain a training: the time of an update by its parts, and what goes between the processes.

::

    python -m locoenvs.benchmarks.scaling --out benchmarks/results/scaling.json

One process has all cores, several have as many threads between them. They take turns, as a machine's speed changes; medians are told.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.machine import cores, measured_by
from locoenvs.training import learners, ranks
from locoenvs.training.run import Run

FLAT = "Loco/AnymalC-Flat-v0"
PARTS = ("environment", "inference", "learning")


def work(folder: Path, env_id: str, learner: str, robots: int, updates: int) -> None:
    """One process: train, and write down how long each collective of each update took."""
    calls = list[tuple[float, int]]()
    if ranks.asked() > 1:
        import torch.distributed as dist

        reduce = dist.all_reduce

        def timed(tensor: Any, *arguments: Any, **named: Any) -> None:
            begun = time.perf_counter()
            reduce(tensor, *arguments, **named)
            calls.append((time.perf_counter() - begun, tensor.numel() * tensor.element_size()))

        dist.all_reduce = timed
    settings: dict[str, Any] = {"recipe": "walk", "validate_every": 0, "run": str(folder / "run")}
    learners.train(env_id, learner, num_envs=robots, updates=updates, **settings)
    (folder / f"{os.environ.get('RANK', 0)}.json").write_text(json.dumps(calls))


def turn(count: int, env_id: str, learner: str, robots: int, updates: int) -> dict[str, float]:
    """One training by ``count`` processes; medians over its updates but for the first, which compiles."""
    with tempfile.TemporaryDirectory() as place, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        arguments = [
            "--worker",
            place,
            "--env-id",
            env_id,
            "--learner",
            learner,
            "--robots",
            str(robots),
            "--updates",
            str(updates),
        ]
        common = {**os.environ, "OMP_NUM_THREADS": str(max(1, cores() // count)), "MASTER_ADDR": "127.0.0.1"}
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "locoenvs.benchmarks.scaling", *arguments],
                env={**common, "MASTER_PORT": str(port)}
                | {name: str(count) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE")}
                | {name: str(rank) for name in ("RANK", "LOCAL_RANK")},
                stdout=subprocess.DEVNULL,
            )
            for rank in range(count)
        ]
        if any([process.wait() for process in started]):
            raise RuntimeError(f"a training by {count} processes failed")
        return measurements(Path(place), count, updates)


def measurements(place: Path, count: int, updates: int) -> dict[str, float]:
    """What :func:`work` of so many processes has written down, an update; seconds are those of the first process."""
    lines = [line for line in Run(place / "run").records() if line["kind"] == "update"][1:]
    calls = [json.loads((place / f"{rank}.json").read_text()) for rank in range(count)]
    told = {name: statistics.median(line["seconds"][name] for line in lines) for name in PARTS}
    told |= {"samples_per_second": statistics.median(line["samples_per_second"] for line in lines)}
    # Of a collective the process that comes last waits for nobody: the shortest time is what it takes by itself.
    shortest = [min(seconds for seconds, _ in each) for each in zip(*calls, strict=True)]
    first = [seconds for seconds, _ in calls[0]]
    told |= {"collectives": len(first) / updates, "bytes": sum(size for _, size in calls[0]) / updates}
    return told | {"transfer": sum(shortest) / updates, "wait": (sum(first) - sum(shortest)) / updates}


def table(results: dict[str, dict[str, float]]) -> Table:
    """The results for reading."""
    output = Table("processes", "samples/s", *(f"{name}, s" for name in PARTS), "all-reduce, s", "waiting, s", "bytes")
    for count, rows in results.items():
        seconds = [f"{rows[name]:.3f}" for name in (*PARTS, "transfer", "wait")]
        output.add_row(count, f"{rows['samples_per_second']:,.0f}", *seconds, f"{rows['bytes']:,.0f}")
    return output


def scaling(
    processes: tuple[int, ...] = (1, 2),
    env_id: str = FLAT,
    learner: str = "rsl_rl",
    robots: int = 512,
    updates: int = 12,
    repeats: int = 3,
    out: Path | None = None,
    worker: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Measure trainings by several processes.

    Args:
        processes: Numbers of processes.
        env_id: Environment, with the recipe walk.
        learner: Who learns.
        robots: Number of robots of all processes together.
        updates: Updates of a turn.
        repeats: Turns of each.
        out: File for the result, as JSON.
        worker: Folder of one of the processes that this starts.
    """
    if worker is not None:
        work(worker, env_id, learner, robots, updates)
        return {}
    turns: dict[str, list[dict[str, float]]] = {str(count): [] for count in processes}
    for _ in range(repeats):
        for count in processes:
            turns[str(count)].append(turn(count, env_id, learner, robots, updates))
    results = {
        count: {name: statistics.median(each[name] for each in rows) for name in rows[0]}
        for count, rows in turns.items()
    }
    Console().print(table(results))
    if out is not None:
        asked = {
            "environment": env_id,
            "learner": learner,
            "robots": robots,
            "updates": updates,
            "load": os.getloadavg(),
        }
        header = measured_by("scaling", "locoenvs", "mujoco", "numpy", "torch", "rsl-rl-lib", "skrl")
        reports.write(out, {**header, **asked, "results": results, "repeats": turns})
    return results


if __name__ == "__main__":
    tyro.cli(scaling)
