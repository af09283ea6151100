"""The narrow piece of a map on which one robot is shown: a whole map takes long to draw."""

from __future__ import annotations

import dataclasses

from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Curriculum, Task, Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS


def hardest_kind(task: Task) -> str:
    """The kind of tile of a task's map to show a policy on: upward stairs where there are some."""
    kinds = [share.kind for share in task.terrain.shares]
    return "stairs_up" if "stairs_up" in kinds else kinds[-1]


def one_of_each(task: Task) -> tuple[Task, list[int]]:
    """The task on a map with one column of each of its kinds of tile, and the robots that stand on its tiles, one on each."""
    columns = len(task.terrain.shares)
    shares = tuple(dataclasses.replace(share, share=1 / columns) for share in task.terrain.shares)
    ground = dataclasses.replace(task.terrain, columns=columns, shares=shares, border=4.0)
    alone = dataclasses.replace(task, terrain=ground, curriculum=Curriculum(enabled=False))
    return alone, list(range(ground.levels * columns))


def one_column(task: Task, kind: str) -> Task:
    """The task on a narrow map of one column of that kind of tile, as hard as its own, where robot i stands on level i."""
    own = [share.parameters for share in task.terrain.shares if share.kind == kind]
    share = TileShare(TILE_KINDS[kind].name, 1.0, parameters=own[0] if own else {})
    ground: Terrain = dataclasses.replace(
        task.terrain, kind="tiles", columns=1, shares=(share,), border=min(task.terrain.border, 8.0)
    )
    return dataclasses.replace(task, terrain=ground, curriculum=Curriculum(enabled=False))
