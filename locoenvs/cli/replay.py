"""``locoenvs replay``: see again what a robot did in an evaluation, and what it would have done otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console

from locoenvs import terminal
from locoenvs.cli.arguments import (
    Changes,
    OptionalInt,
    OptionalPath,
    OptionalText,
    Options,
    changes_given,
    options_given,
    policy_named,
)
from locoenvs.cli.deployment_log import tell
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.evaluate import PACKAGES
from locoenvs.evidence.failures.archive import Archive, load
from locoenvs.evidence.failures.replay import Rerun, again, begin_of, otherwise, parted, possible, rows
from locoenvs.evidence.metrics import wilson
from locoenvs.evidence.video import FRAMES_PER_SECOND, Film
from locoenvs.machine import hardware, versions
from locoenvs.policies.deploy.log import is_log


def replay(
    result: Annotated[Path, tyro.conf.Positional],
    robot: OptionalInt = None,
    out: OptionalPath = None,
    policy: OptionalText = None,
    backend: OptionalText = None,
    options: Options = (),
    copies: int = 1,
    spread: float = 0.05,
    set_: Changes = (),
) -> None:
    """Do again what a robot did in an evaluation, from two seconds before its fall: bit by bit, then otherwise if anything else is asked for.

    Of the log of a runtime on a robot it tells steps, faults, and with --policy whether the actions are that policy's.

    Args:
        result: What eval --out wrote, or a runtime's log.
        robot: Its number; one that did not fall is done again from its start. A log is of one robot.
        out: Video to write (.mp4), of the robot as it was, or as it is otherwise.
        policy: Another policy to go on with: a folder, a run, an environment whose policy is shipped, or a shipped policy's name.
        backend: Other physics to go on with, as shown by list.
        options: The backend's own, as name=value: contact=mujoco, cone=pyramidal, threads=1.
        copies: So many of it go on, the first as it was, the others with slightly other velocities.
        spread: How much other at most: m/s and rad/s of the base, rad/s of each joint.
        set_: Another value for a field of the task: randomization.friction=[0.3,0.3].
    """
    if out is not None and out.suffix != ".mp4":
        raise ValueError(f"--out {out}: a video's name must end in .mp4")
    other = None if policy is None else policy_named(policy)
    if is_log(result):
        return tell(result, other)
    if robot is None:
        raise ValueError(f"--robot is missing: say which robot of {result}")
    archive, console = load(result), terminal.console()
    changes, engine_options = changes_given(set_), options_given(options)
    differs = [f"policy {policy}"] * (policy is not None) + [f"backend {backend}"] * (backend is not None)
    differs += [*options, *(f"{name}={value}" for name, value in changes.items())]
    asked = bool(differs) or copies != 1
    if asked:  # an error now rather than after the first replay
        possible(archive, policy=other, backend=backend, changes=changes, copies=copies, spread=spread)
    begin = begin_of(archive, robot)
    fall = archive.fall(robot)
    console.print(f"robot {robot} of {archive.panel.name}: " + (fall.words if fall else _upright(archive, robot)))
    row = int(rows(archive, begin.state["episodes.robot"])[0])
    with _filming(out if not asked else None, archive, row) as pictures:
        before = again(archive, begin, **pictures)
    _say_whether_exact(console, archive, before, robot)
    if asked:
        with _filming(out, archive, 0) as pictures:
            after = otherwise(
                archive,
                begin,
                policy=other,
                backend=backend,
                options=engine_options,
                changes=changes,
                copies=copies,
                spread=spread,
                **pictures,
            )
        _say_what_came_of_it(console, archive, before, after, differs, spread)
    if out is not None:
        console.print(f"video: {out}")


@contextmanager
def _filming(path: Path | None, archive: Archive, row: int) -> Iterator[dict[str, Any]]:
    """What makes a replay film one of its robots."""
    if path is None:
        yield {}
        return
    dt, shown = archive.panel.task.timing.control_dt, 0
    with Film(path) as film:

        def look(env: LocoVectorEnv, step: int, alive: np.ndarray) -> None:
            nonlocal shown
            if alive[row] and step * dt * FRAMES_PER_SECOND >= shown - 1e-6:
                pictures = env.render()
                assert pictures is not None
                film.add(pictures[0], f"{step * dt:.2f} s")
                shown += 1

        yield {"look": look, "render_mode": "rgb_array", "render_robot": row}


def _say_whether_exact(console: Console, archive: Archive, rerun: Rerun, robot: int) -> None:
    dt = archive.panel.task.timing.control_dt
    steps = int(rerun.steps[0] - rerun.begun[0])
    how = f"done again from {rerun.begun[0] * dt:.2f} s on, {steps} control steps: it {_ended(rerun, 0, dt)}"
    if rerun.checksums[0] == archive.checksums[robot]:
        console.print(f"{how}. The same as in the evaluation, bit by bit, in every position")
        return
    there, here = archive.header, versions(*PACKAGES)
    other = [
        f"{name} {version}, here {here.get(name, 'none')}"
        for name, version in there.versions.items()
        if name in PACKAGES and here.get(name) != version
    ]
    if there.processor != (own := str(hardware()["processor"])):
        other.append(f"{there.processor}, here {own}")
    why = (
        f"it was made with {'; '.join(other)}"
        if other
        else "versions and processor are the same: the backend does not repeat itself"
    )
    console.print(
        f"{how}. NOT the same as in the evaluation, where it ended after {archive.steps[robot] * dt:.2f} s: {why}"
    )


def _say_what_came_of_it(
    console: Console, archive: Archive, before: Rerun, after: Rerun, differs: Sequence[str], spread: float
) -> None:
    dt = archive.panel.task.timing.control_dt
    console.print(f"with {', '.join(differs) or 'nothing else'}: it {_ended(after, 0, dt)}")
    for what, columns, by, unit in (("joints", slice(7, None), 1e-3, "rad"), ("base", slice(0, 3), 0.1, "m")):
        step = parted(before, after, 0, columns, by)
        when = "never" if step is None else f"{step * dt:.2f} s later"
        console.print(f"  {what} {by:g} {unit} apart: {when}")
    if len(after.fell) > 1:
        rate = wilson(int(after.fell.sum()), len(after.fell))
        assert rate.low is not None and rate.high is not None
        console.print(
            f"  of {rate.count} copies with velocities up to {spread:g} m/s and rad/s other {int(after.fell.sum())} fall: "
            f"{100 * rate.value:.0f} % ({100 * rate.low:.0f} to {100 * rate.high:.0f})"
        )


def _ended(rerun: Rerun, robot: int, dt: float) -> str:
    return f"{'falls' if rerun.fell[robot] else 'ends upright'} after {rerun.steps[robot] * dt:.2f} s"


def _upright(archive: Archive, robot: int) -> str:
    kept = {fall.robot for fall in archive.header.falls}
    seconds = archive.steps[robot] * archive.panel.task.timing.control_dt
    said = "no state of it was kept" if archive.header.every_fall > len(kept) else "it did not fall"
    return f"{said}; its episode ended after {seconds:.2f} s"
