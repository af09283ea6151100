"""Install the peers, let everyone take turns, and write down what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from locoenvs import install
from locoenvs.benchmarks import reports
from locoenvs.benchmarks.peers import page as pages
from locoenvs.benchmarks.peers.contest import compete, memory_per_1024, worker
from locoenvs.benchmarks.peers.contestants import CONTESTANTS, LIBRARIES, NO_LEARNER, OURS, Library, Peer
from locoenvs.benchmarks.peers.learning import learn, until_it_walks
from locoenvs.benchmarks.peers.processes import Failed, interpreter, versions
from locoenvs.benchmarks.throughput import ACTUATOR
from locoenvs.envs.registration import task as task_of
from locoenvs.machine import cores, measured_by, total_memory

SHARE = 0.25
"""Of the machine's memory, what one peer may take: all that are measured with a number of robots are there at once."""


def peers(
    robots: tuple[int, ...] = (16, 64, 512, 4096),
    only: tuple[Peer, ...] = (),
    seconds: float = 1.0,
    repeats: int = 3,
    learners: bool = True,
    learning_robots: int = 1024,
    updates: int = 4,
    learning_repeats: int = 2,
    walk: tuple[Path, ...] = (),
    folder: Path = Path.home() / ".cache" / "locoenvs" / "peers",
    out: Path | None = None,
    page: Path | None = None,
) -> dict[str, Any]:
    """Measure this project and its peers.

    Args:
        robots: Numbers of robots.
        only: Peers to measure: gymnasium, envpool, unilab; by default all.
        seconds: How long each turn lasts.
        repeats: Turns of each.
        learners: Whether to measure learning too.
        learning_robots: Robots that learn.
        updates: Updates of each training.
        learning_repeats: Trainings of each.
        walk: Run folders of `make walk`, for the minutes until it walks; by default those that are kept in the repository.
        folder: Where peers are installed.
        out: File to write the result to, as JSON.
        page: Markdown page to write the tables to.
    """
    check(
        robots=(min(robots, default=0), 1), seconds=(seconds, 0.01), repeats=(repeats, 1), updates=(updates, 2),
        learning_robots=(learning_robots, 1), learning_repeats=(learning_repeats, 1),
    )  # fmt: skip
    if page is not None:
        pages.parts(page)
    console, folder = Console(), folder.expanduser().absolute()
    pythons: dict[str, Path | str] = {OURS: interpreter(None, folder)}
    libraries = []
    for library in LIBRARIES:
        if only and library.name not in only:
            continue
        told = f"{library.name}: {', '.join(library.requirements)}, in {folder / library.name}"
        console.print(told, highlight=False, soft_wrap=True)
        pythons[library.name], found = installed(library, folder)
        libraries.append(found)
    contestants = tuple(one for one in CONTESTANTS if one.library in pythons)
    rows: list[dict[str, Any]] = []
    memory = total_memory()
    most = None if memory is None else SHARE * memory / 2**20
    for count in sorted(robots):
        console.print(f"{count} robots", highlight=False)
        make = worker(pythons, cores(), folder)
        rows += compete(contestants, count, seconds, repeats, make, tuple(rows), most)
    for row in rows:
        row["memory_mb_per_1024"] = memory_per_1024(rows, row["name"])
    learned = []
    if learners:
        console.print(f"learning with {learning_robots} robots", highlight=False)
        learned = learn(pythons, learning_robots, updates, learning_repeats, folder)
    document = {
        **measured_by("peers", "locoenvs", "mujoco", "gymnasium", "numpy", "numba", "torch", "rsl-rl-lib"),
        "libraries": libraries,
        "seconds": seconds,
        "repeats": repeats,
        "actions": "uniform in +-1",
        "task_hashes": {
            one.task: task_of(one.task, actuator=ACTUATOR).hash for one in contestants if one.library == OURS
        },
        "environments": rows,
        "learning": learned,
        "no_learner": {name: why for name, why in NO_LEARNER.items() if name in pythons},
        "until_it_walks": until_it_walks(list(walk) or kept()),
    }
    if out is not None:
        reports.write(out, document)
    if page is not None:
        pages.put(page, document)
    console.print(pages.figures(document), highlight=False, markup=False, soft_wrap=True)
    return document


def check(**numbers: tuple[float, float]) -> None:
    """End the program for a number, the first of each pair, that is less than the second."""
    for name, (given, least) in numbers.items():
        if given < least:
            raise SystemExit(f"{name}={given}: must be at least {least}")


def installed(library: Library, folder: Path) -> tuple[Path | str, dict[str, Any]]:
    """A library's interpreter, or why there is none, and what the result tells of it."""
    told = {"name": library.name, "requirements": list(library.requirements)}
    try:
        python = interpreter(library, folder)
        return python, told | {"versions": versions(python, library.shown)}
    except Failed as error:
        return str(error), told | {"error": str(error)}


def kept() -> list[Path]:
    """The runs of `make walk` that the repository keeps."""
    root = install.checkout()
    return [] if root is None else sorted((root / "benchmarks" / "results").glob("walk-*"))
