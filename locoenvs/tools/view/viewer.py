"""What happens while robots are looked at, one tick after another: steps when they are due, what the user asked for, what is remembered."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from locoenvs.policies.policy import Policy
from locoenvs.tools.view.clock import Clock
from locoenvs.tools.view.gamepad import Gamepad
from locoenvs.tools.view.history import History
from locoenvs.tools.view.session import End, Moment, Session

MOST_ENDS = 8
"""Ends of episodes that are shown."""

MOTION = ("forward, told", "forward", "sideways, told", "sideways", "yaw rate, told", "yaw rate")


class Source(Protocol):
    """Where newer policies come from."""

    def newer(self, now: float) -> Policy | None:
        """A policy that is newer than the one before, or None. Raises ValueError for one that cannot be read."""


class Viewer:
    """A session with its clock and its memory. :meth:`post` may be called from any thread, all else from the one that ticks."""

    def __init__(self, session: Session, source: Source | None = None, gamepad: Gamepad | None = None) -> None:
        self.session, self.source, self.gamepad = session, source, gamepad
        self.clock = Clock(session.dt)
        self.watched = 0
        self.said = ""
        self.ends: deque[tuple[float, End]] = deque(maxlen=MOST_ENDS)
        self.counts: dict[str, int] = {}
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.begin_again()

    def begin_again(self) -> None:
        """Forget what was remembered of robots that are gone."""
        self.rewards = History(tuple(self.session.env.mdp.reward_terms), self.session.dt)
        self.motion = History(MOTION, self.session.dt)
        self.latest: dict[str, float] = dict.fromkeys(self.rewards.names, 0.0)
        self.clock.restart()

    @property
    def time(self) -> float:
        """s that were simulated."""
        return self.session.steps * self.session.dt

    def post(self, action: Callable[[], None]) -> None:
        """Let ``action`` be done between two steps. What it raises is said in the panel."""
        self._asked.put(action)

    def tick(self, now: float) -> int:
        """Do what was asked for, then the steps that are due at ``now``; how many they were."""
        for _ in range(self._asked.qsize()):  # what is asked for meanwhile waits: a picture comes first
            self._try(self._asked.get())
        self._look_around(now)
        count = self.clock.due(now)
        for step in range(count):
            if not self._try(lambda: self._remember(self.session.step())):
                self.clock.paused = True
            if self.clock.paused and step + 1 < count:
                break
        return count

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except (ValueError, RuntimeError, OSError, ImportError) as error:
            self.said = " ".join(str(error).split())
            return False
        return True

    def _look_around(self, now: float) -> None:
        """Take what the gamepad says, and a newer policy if there is one."""
        if self.gamepad is not None:
            order, pressed, said = self.gamepad.poll(now, self.session.order)
            self.session.order = order
            self.said = said or self.said
            for action in (self._buttons[name] for name in pressed):
                self._try(action)
        if self.source is not None:
            self._try(lambda: self._take(now))

    @property
    def _buttons(self) -> dict[str, Callable[[], None]]:
        return {"pause": self.pause, "reset here": self.session.reset_here, "push": lambda: self.push(1.0, 90.0)}

    def _take(self, now: float) -> None:
        assert self.source is not None
        policy = self.source.newer(now)
        if policy is not None:
            self.session.swap(policy)
            updates = policy.provenance.get("updates")
            self.said = f"newer policy{'' if updates is None else f', {updates} updates'}"

    def _remember(self, moment: Moment) -> None:
        if self.session.over:
            self.clock.paused = True
        robot = self.watched
        self.latest = {name: float(values[robot]) / self.session.dt for name, values in moment.terms.items()}
        self.rewards.add(self.time, self.latest)
        readout, command = self.session.readout, self.session.command[robot]
        velocity, spin = readout.base_linear_velocity[robot], readout.base_angular_velocity[robot]
        values = (command[0], velocity[0], command[1], velocity[1], command[2], spin[2])
        self.motion.add(self.time, dict(zip(MOTION, map(float, values))))
        for end in moment.ends:
            self.ends.appendleft((self.time, end))
            self.counts[end.reason] = self.counts.get(end.reason, 0) + 1

    # What the user may ask for

    def pause(self) -> None:
        """Stop, or go on."""
        self.clock.paused = not self.clock.paused

    def begin(self, action: Callable[[], None]) -> None:
        """Do what puts the robots somewhere else, and let them go on from there."""
        action()
        self.begin_again()
        self.clock.paused = False

    def push(self, strength: float, degrees: float) -> None:
        """Push the watched robot by ``strength`` m/s, at an angle from its heading, counterclockwise."""
        angle = self.session.heading(self.watched) + np.radians(degrees)
        self.session.push((strength * np.cos(angle), strength * np.sin(angle)), self.watched)
        self.said = f"pushed by {strength:g} m/s"

    def click(self, origin: np.ndarray, direction: np.ndarray, strength: float) -> None:
        """Push the robot that the ray of a click meets, away from where one looks, and watch it."""
        if (met := self.session.hit(origin, direction)) is not None:
            self.watched, along = met
            self.session.push(tuple(strength * along), self.watched)
            self.said = f"pushed robot {self.watched} by {strength:g} m/s"
