"""Keeps, while a policy is evaluated, what led to falls: the robot's state two seconds before, and what happened."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from locoenvs.envs.saved_state import rows_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.failures import trace
from locoenvs.evidence.failures.causes import PLANE, Direction, Fall
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rotation import projected_gravity

BEFORE = 2.0
"""A kept state is at least so old when its robot falls, s, or the beginning of the episode."""

EVERY = 0.5
"""States of all robots are put aside so often, s, and forgotten once none can be the one that a fall needs."""

RATE_OVER = 0.2
"""The tilt's rate is the mean over the last of this, s."""

STEEP = 5.0
"""A foot whose horizontal force is so many times its vertical one pushes against a face, as the reward of collisions has it,"""

CAUGHT = 0.1
"""and is caught if that force is more than this share of the robot's weight."""

MOST = 64
"""Falls whose states are kept, if nothing else is said."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """A fall, and where to begin to see it again."""

    fall: Fall
    state: dict[str, np.ndarray]  # of one robot, as an environment saves it
    step: int  # control steps before that state
    checksum: int  # of the motion up to it, see :mod:`locoenvs.evidence.failures.trace`

    @property
    def when(self) -> tuple[int, int]:
        """Which of two falls is the earlier one."""
        return self.fall.step, self.fall.robot


@dataclasses.dataclass(frozen=True)
class _Aside:
    """All robots' states at one moment."""

    step: int
    state: dict[str, np.ndarray]
    checksums: np.ndarray


class Keeper:
    """What :func:`locoenvs.evidence.evaluate.evaluate` is given as ``watch``.

    It keeps the states of at most ``most`` falls: the first of each kind of tile, the second of each, and so on as far as there is
    room, the earlier ones first; so they are spread over the kinds of tile. ``every_fall`` counts all of them.

    A state of the shipped tasks is 1.2 kB a robot, 2.7 kB with learned drives, 4 kB with late sensors besides, and five moments are put
    aside: for 4000 robots 23 to 80 MB, for 400 a tenth of it. Watching takes about 1 % of an evaluation's time.
    """

    def __init__(self, most: int = MOST) -> None:
        if most < 1:
            raise ValueError(f"at least one fall must be kept, got {most}")
        self.most = most
        self.every_fall = 0
        self.checksums = self.steps = np.zeros(0)  # of the robots' motions, and of control steps; set as it begins
        self._kept: list[tuple[int, Kept]] = []  # and which one of its kind it is
        self._of_kind = Counter[str]()
        self._step = -1

    def __call__(self, env: LocoVectorEnv, alive: np.ndarray, fell: np.ndarray, moment: dict[str, np.ndarray]) -> None:
        """See :data:`locoenvs.evidence.record.Watch`."""
        self._step += 1
        if not moment:
            self._begin(env)
        where = trace.positions(env.state.episodes.readout)
        self.checksums = np.where(alive, trace.gone_on(self.checksums, where), self.checksums)
        self.steps[alive] = self._step
        self._notice(env)
        if self._step % self._every == 0:
            self._aside.append(_Aside(self._step, env.save(), self.checksums))
        for robot in np.nonzero(fell)[0]:
            self._keep(env, int(robot), moment)

    @property
    def kept(self) -> list[Kept]:
        """The falls that were kept, by robot."""
        return sorted((kept for _, kept in self._kept), key=lambda kept: kept.fall.robot)

    @staticmethod
    def joined(keepers: Sequence[Keeper]) -> Keeper:
        """What one would have kept of all robots, by those that have each watched a part of them, in the robots' order."""
        whole = Keeper(keepers[0].most)
        whole.every_fall = sum(each.every_fall for each in keepers)
        whole.checksums = np.concatenate([each.checksums for each in keepers])
        whole.steps = np.concatenate([each.steps for each in keepers])
        for kept in sorted((kept for each in keepers for kept in each.kept), key=lambda kept: kept.when):
            whole._take(kept)
        return whole

    def __getstate__(self) -> dict[str, Any]:
        """What another process is told: not what was put aside for falls to come."""
        return {**vars(self), "_aside": None}

    def _begin(self, env: LocoVectorEnv) -> None:
        dt, count = env.task.timing.control_dt, env.num_envs
        self._every = max(round(EVERY / dt), 1)
        self._back = math.ceil(round(BEFORE / dt, 6))
        self._aside: deque[_Aside] = deque(maxlen=math.ceil(self._back / self._every) + 1)
        self.checksums, self.steps = trace.begun(count), np.zeros(count, np.int32)
        self._tilts: deque[np.ndarray] = deque(maxlen=max(round(RATE_OVER / dt), 1) + 1)
        self._command: np.ndarray | None = None
        self._told = np.full(count, -1)  # steps when there was a new command, and when a foot was caught
        self._caught, self._foot = np.full(count, -1), np.zeros(count, int)
        robot = env.task.robot
        self._feet = [robot.contact_bodies.index(foot) for foot in robot.feet]
        self._force = CAUGHT * robot.mass * 9.81

    def _notice(self, env: LocoVectorEnv) -> None:
        """What must be seen at every step to be known at a fall."""
        episodes = env.state.episodes
        gravity = projected_gravity(_numbers(episodes.readout.base_quaternion))
        self._tilts.append(np.arccos(np.clip(-gravity[:, 2], -1, 1)))
        self._gravity = gravity
        command = _numbers(episodes.command)
        own = command[:, [0, 1, 3]] if env.task.commands.mode == "heading" else command
        if self._command is not None:
            self._told[(own != self._command).any(axis=1)] = self._step
        self._command = own.copy()
        force = _numbers(episodes.readout.contact_force)[:, self._feet]
        if self._feet:
            across = np.hypot(force[..., 0], force[..., 1])
            against = np.where(across > STEEP * np.abs(force[..., 2]), across, 0.0)
            foot = against.argmax(axis=1)
            hit = against[np.arange(len(foot)), foot] > self._force
            self._caught[hit], self._foot[hit] = self._step, foot[hit]

    def _keep(self, env: LocoVectorEnv, robot: int, moment: dict[str, np.ndarray]) -> None:
        self.every_fall += 1
        old = [aside for aside in self._aside if aside.step <= self._step - self._back]
        begin = old[-1] if old else self._aside[0]
        state = rows_of(begin.state, [robot])
        self._take(Kept(self._fall(env, robot, moment), state, begin.step, int(begin.checksums[robot])))

    def _take(self, kept: Kept) -> None:
        """Keep a fall, later than all before, if there is room; the last in turn makes room."""
        kind = kept.fall.kind
        self._kept.append((self._of_kind[kind], kept))
        self._of_kind[kind] += 1
        if len(self._kept) > self.most:
            last = max(range(len(self._kept)), key=lambda index: (self._kept[index][0], self._kept[index][1].when))
            del self._kept[last]

    def _fall(self, env: LocoVectorEnv, robot: int, moment: dict[str, np.ndarray]) -> Fall:
        episodes, dt = env.state.episodes, env.task.timing.control_dt
        readout, task = episodes.readout, env.task
        standing = _numbers(readout.contact_force)[robot, self._feet, 2] > task.rewards.foot_contact_force
        ahead, left, _ = self._gravity[robot]
        direction: Direction = (
            ("forward" if ahead > 0 else "backward") if abs(ahead) >= abs(left) else ("left" if left > 0 else "right")
        )
        caught = int(self._caught[robot])
        since = lambda step: None if step < 0 else round((self._step - step) * dt, 6)  # noqa: E731
        pushed = float(moment["since_push"][robot])
        tilt, before = self._tilts[-1][robot], self._tilts[0][robot]
        return Fall(
            robot=env.first_robot + robot,
            step=self._step,
            seconds=round(self._step * dt, 6),
            broken=bool(_numbers(readout.broken)[robot]),
            kind=PLANE
            if task.terrain.kind == PLANE
            else env.mdp.height_map.kinds[int(_numbers(episodes.column)[robot])],
            level=int(_numbers(episodes.level)[robot]),
            since_push=round(pushed, 6) if 0 < pushed < math.inf else None,  # one in this step came after the fall
            since_command=since(int(self._told[robot])),
            since_caught=since(caught),
            caught=task.robot.feet[int(self._foot[robot])] if caught >= 0 else None,
            tilt=float(tilt),
            tilt_rate=float((tilt - before) / (max(len(self._tilts) - 1, 1) * dt)),
            direction=direction,
            feet=tuple(foot for foot, stands in zip(task.robot.feet, standing, strict=True) if stands),
            command=tuple(float(value) for value in _numbers(episodes.command)[robot, :3]),  # type: ignore[arg-type]
            speed=float(moment["speed"][robot]),
        )


def _numbers(array: Any) -> np.ndarray:
    return np.asarray(convert(array, "numpy"))
