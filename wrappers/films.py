"""A short video of the policy every now and then while it is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from locoenvs.evidence.stage import hardest_kind, one_column
from locoenvs.evidence.video import record
from locoenvs.policies.policy import Policy
from locoenvs.tasks.task import Task

SECONDS = 5.0
"""Of a video: a robot that stands, then walks ahead."""


@dataclass
class Films:
    """Videos in ``folder``, after every ``every`` updates. A machine that cannot draw says so once."""

    folder: Path
    every: int
    draws: bool = True

    def due(self, update: int) -> bool:
        return self.draws and update % self.every == 0

    def make(self, policy: Policy, task: Task, update: int, say: Callable[[str], None]) -> Path | None:
        """Film one robot, on native MuJoCo, which draws wherever it is; on a map it climbs the stairs of the middle level."""
        path, robot = self.folder / f"update-{update:06d}.mp4", 0
        if task.terrain.kind == "tiles":
            robot = task.terrain.levels // 2
            task = one_column(task, hardest_kind(task))
        try:
            record(policy, task, path, SECONDS, robot=robot, backend="mujoco")
        except Exception as error:  # a machine that cannot draw raises whatever its OpenGL does
            self.draws = False
            say(f"no videos, this machine cannot draw: {type(error).__name__}: {error}")
            return None
        return path
