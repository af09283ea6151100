"""One part after another, until the minutes are over; what failed, and what is left."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

from rich.console import Console

from locoenvs.benchmarks import reports
from locoenvs.benchmarks.gpu.device import card
from locoenvs.benchmarks.gpu.parts import parts
from locoenvs.benchmarks.gpu.plan import PANELS, SMALL, TRIES, Job, Plan
from locoenvs.benchmarks.gpu.result import document, tables
from locoenvs.machine import hardware


def gpu(
    work: Path = Path("runs/gpu"),
    minutes: float = 9.0,
    device: str | None = None,
    only: tuple[str, ...] = (),
    known: Path | None = None,
    small: bool = False,
) -> bool:
    """Do what is left to do.

    Args:
        work: Folder of everything: finished parts, trainings, compiled programs, and gpu.json with all results.
        minutes: Begin nothing that would take longer than this, from now; call again to go on.
        device: Where the robots live; the GPU if there is one by default.
        only: Parts to do, by the beginning of their names: checks speed train panel learning.
        known: Result of an earlier call in another work folder. Its parts are not done again.
        small: A few robots and steps, to try the command itself, on a CPU too; in <work>/small.
    """
    console, plan = Console(), SMALL if small else Plan()
    work = work / "small" if small else work
    work.mkdir(parents=True, exist_ok=True)
    (work / "parts").mkdir(exist_ok=True)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str((work / "cache" / "jax").resolve()))
    os.environ.setdefault("WARP_CACHE_PATH", str((work / "cache" / "warp").resolve()))
    if known is not None:
        take_over(known, plan, work)
    job = Job(plan, work, device, time.monotonic() + 60 * minutes)
    waiting = []
    for part in parts(plan):
        path = work / "parts" / f"{part.name.replace('/', '-')}.json"
        errors = reports.read(work / "errors.json")
        if path.exists() or len(errors.get(part.name, [])) >= TRIES or (only and not part.name.startswith(only)):
            continue
        if job.left < part.seconds and not small:
            waiting.append(part.name)
            continue
        console.print(f"{part.name}, {job.left:.0f} s left", highlight=False)
        begun = time.monotonic()
        try:
            outcome = part.run(job)
        except Exception as error:  # the other parts are worth having, and what failed is a result too
            if small:
                raise
            message = f"{type(error).__name__}: {error}"
            console.print(f"{part.name}: {message}", highlight=False, markup=False)
            reports.write(work / "errors.json", {**errors, part.name: [*errors.get(part.name, []), message]})
            outcome = None
        if outcome is None:
            waiting.append(part.name)
        gc.collect()
        if outcome is not None:
            on = card().get("gpu", hardware()["processor"])
            reports.write(path, {**outcome, "part_seconds": round(time.monotonic() - begun, 1), "on": on})
        reports.write(work / "gpu.json", document(work, plan, waiting))
    reports.write(work / "gpu.json", document(work, plan, waiting))
    for table in tables(reports.read(work / "gpu.json").get("parts", {})):
        console.print(table)
    left = f"left to do: {', '.join(waiting)}. Call this command again" if waiting else "all is done"
    console.print(f"{work / 'gpu.json'}: {left}", highlight=False)
    return not waiting


def take_over(known: Path, plan: Plan, work: Path) -> None:
    """Write the parts of an earlier result that this work folder does not have.

    A training that was not judged to the end is left out, with its panels: its policy is not here.
    """
    if not known.is_file():
        raise SystemExit(f"--known {known}: there is no such file. Leave it out to begin with nothing")
    earlier = reports.read(known)["parts"]
    for ground, panels in PANELS.items():
        trained = {f"train/{ground}", *(f"panel/{name}" for name in panels)}
        if not trained <= earlier.keys():
            earlier = {name: outcome for name, outcome in earlier.items() if name not in trained}
    for part in parts(plan):
        path = work / "parts" / f"{part.name.replace('/', '-')}.json"
        if part.name in earlier and not path.exists():
            reports.write(path, earlier[part.name])
