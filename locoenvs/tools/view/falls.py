"""The falls of an evaluation, one after another, as they were or under other conditions."""

from __future__ import annotations

import dataclasses

import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.failures import replay
from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.failures.causes import Fall
from locoenvs.evidence.failures.transplant import put
from locoenvs.policies.policy import episodes_begin
from locoenvs.tools.view.session import Moment, Session
from locoenvs.tools.view.setup import Setup, conditions

AS_IT_WAS = Setup(pushes=True, time_limit=True)


class FallSession(Session):
    """The robot of one fall after another, from where :func:`replay.begin_of` has it begin. Its commands are the panel's."""

    def __init__(self, archive: Archive) -> None:
        if not archive.header.falls:
            raise ValueError(f"{archive.name} holds no falls")
        self.archive, self.at, self.over = archive, 0, False
        self._begins: dict[int, dict[str, np.ndarray]] = {}  # robot -> state
        task = archive.panel.task
        looks = task.robot.visuals or archive.policy.task.robot.visuals  # which panels leave out
        task = dataclasses.replace(task, robot=dataclasses.replace(task.robot, visuals=looks))
        super().__init__(task, archive.policy, 1, AS_IT_WAS, backend=archive.header.backend)

    @property
    def fall(self) -> Fall:
        """What happened."""
        return self.archive.header.falls[self.at]

    def go(self, by: int) -> None:
        """To the fall that is ``by`` after this one; after the last comes the first."""
        self.at = (self.at + by) % len(self.archive.header.falls)
        self.reset()

    def reset(self) -> None:
        """Begin this fall again."""
        robot = self.fall.robot
        if robot not in self._begins:
            self._begins[robot] = replay.begin_of(self.archive, robot).state
        state = self._begins[robot]
        if self.env.task.hash == self.archive.panel.task.hash:
            self.env.restore(state)
        else:
            put(self.env, state, self.archive.panel.task, self.archive.panel.seed)
        episodes_begin(self.policy)
        self.over = False

    def step(self) -> Moment:
        """One control step; the fall begins again if it is over."""
        if self.over:
            self.reset()
        moment = super().step()
        self.over = bool(moment.ends)
        return moment

    def change(self, setup: Setup) -> None:
        """Begin this fall again under other conditions; nothing changes if that raises."""
        if (setup.ground, setup.level) != (None, 0):
            raise ValueError("a fall is seen where it happened: choose no other ground")
        self._build(setup, self.reset)

    def _env_of(self, setup: Setup) -> LocoVectorEnv:
        setup.check(self.task)
        return replay.environment(self.archive, 1, task=conditions(self.task, setup))

    def _before(self) -> None:
        """Commands and episodes are the panel's own."""
