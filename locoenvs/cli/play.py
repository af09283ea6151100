"""``locoenvs play``: videos of policies."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import Progress

from locoenvs import terminal
from locoenvs.cli.arguments import Changes, OptionalFloat, OptionalPath, Word, changes_given, policy_named, task_given
from locoenvs.evidence.stage import hardest_kind, one_column, one_of_each
from locoenvs.evidence.video import FORMATS, Look, record
from locoenvs.mdp.state import Camera
from locoenvs.tasks.task import Task


def play(
    policy: Word,
    out: Path = Path("video.mp4"),
    seconds: OptionalFloat = None,
    terrain: Annotated[str | None, tyro.conf.arg(metavar="KIND", help_behavior_hint="(optional)")] = None,
    level: int = 0,
    together: bool = False,
    beside: tuple[str, ...] = (),
    camera: Camera = "corner",
    size: tuple[int, int] = (1280, 720),
    backend: str = "auto",
    task: OptionalPath = None,
    set_: Changes = (),
) -> None:
    """Make a video of a policy that follows a schedule of commands.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        out: Video to write (.mp4, .webm or .gif).
        seconds: Its length; once through the schedule by default.
        terrain: Kind of tile to walk on; by default the plane, or upward stairs for a policy of rough ground.
        level: Difficulty of the tile, 0 is the easiest.
        together: One robot on every tile of a map with all kinds and levels, in one picture.
        beside: Other policies that do the same, side by side with the first.
        camera: Where the robot is seen from.
        size: Width and height of the picture of a policy, pixels.
        backend: Physics, as shown by list.
        task: File of the task to play, in place of the policy's own.
        set_: Another value for a field of the task: randomization.friction=[0.2,0.4].
    """
    if out.suffix not in FORMATS:
        raise ValueError(f"--out {out}: a video's name must end in {', '.join(FORMATS)}")
    if not (0 < size[0] <= 1920 and 0 < size[1] <= 1080 and size[0] % 2 == size[1] % 2 == 0):
        raise ValueError(f"--size {size[0]} {size[1]}: even numbers of pixels, at most 1920 1080")
    loaded = policy_named(policy)
    played: Task = (task_given(task) or loaded.task).with_(changes_given(set_))
    robot: int | list[int] = 0
    if level != 0 and together:
        raise ValueError(f"--level {level}: --together shows every level; leave one of both out")
    if level != 0 and terrain is None and played.terrain.kind != "tiles":
        raise ValueError(f"--level {level}: a plane has no levels; choose a kind of tile by --terrain")
    if together:
        if played.terrain.kind != "tiles" or terrain is not None:
            raise ValueError("--together shows the tiles of a map: it takes a policy of rough ground, and no --terrain")
        played, robot = one_of_each(played)
    elif terrain is None and played.terrain.kind == "tiles":
        terrain = hardest_kind(played)
    if terrain is not None:
        levels = played.terrain.levels
        if not 0 <= level < levels:
            raise ValueError(f"--level {level}: the levels are 0 to {levels - 1}")
        played, robot = one_column(played, terrain), level
    shown = {policy: loaded}
    for name in beside:
        shown[_unlike(name, shown)] = policy_named(name)
    for each in shown.values():
        each.check(played)
    console = terminal.console()
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("filming", total=1.0)
        record(
            shown if beside else loaded,
            played,
            out,
            seconds,
            robot=robot,
            backend=backend,
            look=Look(size, camera),
            progress=lambda share: progress.update(bar, completed=share),
        )
    console.print(f"video: {out}")


def _unlike(name: str, others: Collection[str]) -> str:
    """The name, numbered from 2 on where others have it."""
    numbered = (name if count == 1 else f"{name} ({count})" for count in itertools.count(1))
    return next(each for each in numbered if each not in others)
