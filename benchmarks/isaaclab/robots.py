"""Robots in Isaac Lab, put where a part wants them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.state import Readout
from locoenvs.tasks.task import PDActuator, Task


@dataclass(frozen=True)
class Where:
    """On which physics, and where."""

    physics: str
    device: str

    @contextmanager
    def env(self, task: Task, robots: int, **options: Any) -> Iterator[LocoVectorEnv]:
        """Isaac Lab has one simulation a process, so each is closed before the next is made."""
        env = LocoVectorEnv(
            task, robots, backend="isaaclab", device=self.device, options={"physics": self.physics}, **options
        )
        try:
            yield env
        finally:
            env.close()


def flat(robot: str = "AnymalC") -> Task:
    """The flat task with plain PD drives, which native MuJoCo evaluates itself."""
    return dataclasses.replace(task_of(f"Loco/{robot}-Flat-v0"), actuator=PDActuator())


def placed(env: LocoVectorEnv, start: Readout, friction: float | torch.Tensor = 1.0) -> None:
    """Put all robots there, without payload."""
    simulator: Any = env.simulator
    one = torch.ones(env.num_envs, device=simulator.device)
    simulator.configure(one * friction, one * 0)
    simulator.place(None, one > 0, start)


def begin(env: LocoVectorEnv, height: float, **fields: torch.Tensor) -> Readout:
    """All robots in their default pose, level and at rest with the base at (0, 0, height), but for ``fields``."""
    env.reset(seed=0)
    readout = env.state.episodes.readout
    still = {field.name: torch.zeros_like(getattr(readout, field.name)) for field in dataclasses.fields(Readout)}
    still["base_position"][:, 2] = height
    still["base_quaternion"][:, 0] = 1.0
    still["joint_position"] += env.mdp.default_pose
    return Readout(**{**still, **fields})
