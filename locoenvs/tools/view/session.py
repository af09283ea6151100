"""Robots that are looked at: an environment, a policy, and all that can be done to them meanwhile. Knows nothing of a browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.failures.transplant import put
from locoenvs.mdp import pushes, start
from locoenvs.mdp.kinematics import body_poses
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics.arrays import Array, convert
from locoenvs.numerics.rotation import heading, rotate
from locoenvs.numerics.rows import map_arrays
from locoenvs.policies.policy import Policy, episodes_begin
from locoenvs.tasks.task import Commands, Task
from locoenvs.tools.view.commands import Order, commanded
from locoenvs.tools.view.setup import EVERY, MOST_ROBOTS, Setup, own_ground, own_map, task_of

Point = Sequence[float] | np.ndarray

STRONGEST = 5.0
"""m/s that a push may change the base's velocity by."""


@dataclasses.dataclass(frozen=True)
class End:
    """An episode of a robot that ended: why, and after how many s."""

    robot: int
    reason: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Moment:
    """What came of a control step."""

    reward: np.ndarray  # (N,)
    terms: Mapping[str, np.ndarray]  # name -> (N,), weighted
    ends: tuple[End, ...]


class Session:
    """``robots`` robots that do ``task`` as ``setup`` changes it, told what to do by ``order``.

    Without a policy they get actions of zero: they stand. Raises ValueError for a policy that does not fit the task, and for a setup
    that the task cannot have.
    """

    over = False
    """Whether what there was to see is over."""

    def __init__(
        self,
        task: Task,
        policy: Policy | None = None,
        robots: int = 1,
        setup: Setup = Setup(),
        *,
        backend: str = "auto",
        options: Mapping[str, object] | None = None,
        seed: int = 0,
    ) -> None:
        if not 1 <= robots <= MOST_ROBOTS:
            raise ValueError(f"{robots} robots: one to {MOST_ROBOTS} can be looked at")
        if policy is not None:
            policy.check(task)
        self.task, self.policy, self.robots = task, policy, robots
        self.backend, self.options, self.seed = backend, options, seed
        self.order = Order()
        self.steps = 0
        self.setup = setup
        self.env = self._env_of(setup)
        self.reset()

    def _env_of(self, setup: Setup) -> LocoVectorEnv:
        task = task_of(self.task, setup, self.robots)
        return LocoVectorEnv(task, self.robots, backend=self.backend, options=self.options, stagger=False)

    def close(self) -> None:
        """Free what the engine holds."""
        self.env.close()

    @property
    def dt(self) -> float:
        """s of a control step."""
        return self.task.timing.control_dt

    @property
    def own_commands(self) -> Commands:
        """The commands of the task as it was trained."""
        return self.task.commands

    def step(self) -> Moment:
        """One control step. Raises ValueError for a policy whose actions are no numbers."""
        self._before()
        observation = self.observation()
        if self.policy is None:
            action = np.zeros((self.robots, len(self.task.robot.joints)), np.float32)
        else:
            action = self.policy(observation)
        seconds = (self._numbers(self.env.state.episodes.step) + 1) * self.dt
        _, reward, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        done = terminated | truncated
        if done.any():
            episodes_begin(self.policy, done)
        reasons = self.env.reset_reasons
        ends = tuple(
            End(int(robot), reasons[info["reset_reason"][robot]], float(seconds[robot]))
            for robot in np.nonzero(done)[0]
        )
        return Moment(reward, info["reward_terms"], ends)

    def _before(self) -> None:
        """Give the robots their commands, and a next episode, where they are, to those whose time is over if there is no limit."""
        state, xp = self.env.state, self.env.mdp.xp
        episodes = state.episodes
        if not self.setup.time_limit:
            over = episodes.step >= self.env.task.timing.max_episode_steps - 1
            number = episodes.number + xp.astype(over, xp.int32)
            sums = xp.where(over[:, None], xp.zeros_like(episodes.sums), episodes.sums)
            step = xp.where(over, xp.zeros_like(episodes.step), episodes.step)
            episodes = dataclasses.replace(episodes, step=step, number=number, sums=sums)
            episodes_begin(self.policy, self._numbers(over))
        command = commanded(self.env.mdp, self.own_commands, self.order, episodes)
        self.env.state = dataclasses.replace(state, episodes=dataclasses.replace(episodes, command=command))

    def observation(self) -> np.ndarray:
        """What the policy sees now, (N, O)."""
        observation, _ = self.env.reset(options={"reset_mask": np.zeros(self.robots, bool)})
        return observation

    def push(self, change: Sequence[float], robot: int | None = None) -> None:
        """Change the base's horizontal velocity by ``change`` (2,) m/s, world frame, of one robot or of all.

        Raises ValueError for more than :data:`STRONGEST`.
        """
        speed = float(np.linalg.norm(change))
        if not speed <= STRONGEST:
            raise ValueError(f"a push by {speed:g} m/s: at most {STRONGEST:g}")
        state, xp, device = self.env.state, self.env.mdp.xp, self.env.simulator.device
        mask = np.ones(self.robots, bool) if robot is None else np.arange(self.robots) == robot
        row = np.repeat(np.array([change], np.float32), self.robots, axis=0)
        physics, readout = pushes.apply(
            self.env.simulator,
            state.physics,
            state.episodes.readout,
            xp.asarray(mask, device=device),
            xp.asarray(row, device=device),
        )
        episodes = dataclasses.replace(state.episodes, readout=readout)
        self.env.state = dataclasses.replace(state, episodes=episodes, physics=physics)

    def reset(self) -> None:
        """Put all robots on their tiles, at the beginning of an episode."""
        self.env.reset(seed=self.seed)
        episodes_begin(self.policy)
        self._to_their_tiles()

    def reset_here(self) -> None:
        """Put all robots upright where they are, with their heading, at rest."""
        state, simulator = self.env.state, self.env.simulator
        episodes = start.begin_here(self.env.mdp, state.episodes)
        physics = simulator.place(state.physics, episodes.robot >= 0, episodes.readout)
        self.env.state = dataclasses.replace(state, episodes=episodes, physics=physics)
        episodes_begin(self.policy)

    def change(self, setup: Setup) -> None:
        """Go on as ``setup`` says. On the same ground the robots keep their place and motion; nothing changes if it raises ValueError."""
        before, task_before = self.setup, self.env.task
        if setup == before:
            return
        task = task_of(self.task, setup, self.robots)
        if task != task_before:
            saved, stays = self.env.save(), task.terrain == task_before.terrain
            self._build(setup, (lambda: put(self.env, saved, task_before, self.seed)) if stays else self.reset)
        self.setup = setup
        if (setup.ground, setup.level) != (before.ground, before.level) and task.terrain == task_before.terrain:
            self._to_their_tiles()

    def _build(self, setup: Setup, begin: Callable[[], object]) -> None:
        """Go on in a new environment, in which ``begin`` puts the robots; in the old one as before if one of both raises."""
        env, old, before = self._env_of(setup), self.env, self.setup
        self.env, self.setup = env, setup
        try:
            begin()
        except BaseException:
            self.env, self.setup = old, before
            env.close()
            raise
        old.close()

    def swap(self, policy: Policy | None) -> None:
        """Go on with another policy. Raises ValueError for one that does not fit."""
        if policy is not None:
            policy.check(self.task)
        self.policy = policy
        episodes_begin(policy)

    def _to_their_tiles(self) -> None:
        """Begin the next episode of all robots on tiles of the kind and level that the setup says."""
        if self.env.task.terrain.kind == "plane":
            return
        ground, kinds = self.setup.ground or own_ground(self.task), self.env.mdp.height_map.kinds
        own = own_map(self.task, self.setup) and ground != EVERY
        columns = [index for index, kind in enumerate(kinds) if not own or kind == ground]
        spread = [columns[robot * len(columns) // self.robots] for robot in range(self.robots)]
        if len(columns) < self.robots:
            spread = [columns[robot % len(columns)] for robot in range(self.robots)]
        array = lambda values: self.env.mdp.xp.asarray(  # noqa: E731
            np.asarray(values, np.int32), device=self.env.simulator.device
        )
        state = self.env.state
        episodes = dataclasses.replace(
            state.episodes, column=array(spread), level=array([self.setup.level] * self.robots)
        )
        self.env.state = dataclasses.replace(state, episodes=episodes)
        self.env.reset(options={"reset_mask": np.ones(self.robots, bool)})
        episodes_begin(self.policy)

    # What is there to see

    @property
    def readout(self) -> Readout:
        """What physics reported last, as numpy arrays."""
        return map_arrays(self._numbers, self.env.state.episodes.readout)

    @property
    def command(self) -> np.ndarray:
        """(N, 4) m/s, m/s, rad/s, rad."""
        return self._numbers(self.env.state.episodes.command)

    def heading(self, robot: int) -> float:
        """rad."""
        return float(heading(self.readout.base_quaternion[robot]))

    def poses(self, readout: Readout) -> tuple[np.ndarray, np.ndarray]:
        """Places (N, B, 3) m and quaternions (N, B, 4) of the robots' bodies, world frame."""
        return body_poses(self.task.robot, readout.base_position, readout.base_quaternion, readout.joint_position)

    def scan(self, robot: int) -> np.ndarray:
        """The points of the ground, (K, 3) m, whose heights a robot is told, without noise; (0, 3) for one that is told none."""
        task = self.env.task
        if task.observations.heights is None or all(slot.name != "heights" for slot in task.observations.slots):
            return np.zeros((0, 3))
        readout = self.readout
        quaternion = readout.base_quaternion[robot]
        forward = rotate(quaternion, np.array([1.0, 0.0, 0.0], np.float32))[:2]
        forward = forward / max(float(np.hypot(*forward)), 1e-6)
        points = self._numbers(self.env.mdp.scan_points)
        xy = readout.base_position[robot, :2] + points[:, :1] * forward + points[:, 1:] * [-forward[1], forward[0]]
        return np.concatenate([xy, self.ground(xy)[:, None]], axis=1)

    def ground(self, xy: np.ndarray) -> np.ndarray:
        """Heights of the ground, (K,) m, at places (K, 2) m."""
        height_map = self.env.mdp.height_map
        x, y = (np.ascontiguousarray(xy[:, axis], np.float32) for axis in range(2))
        return ground_height(height_map.heights, height_map.origin, height_map.cell, x, y)

    def hit(self, origin: Point, direction: Point) -> tuple[int, np.ndarray] | None:
        """The robot that a ray from ``origin`` (3,) m meets first, and the horizontal direction (2,) of the ray; None if it meets none."""
        robot = self.task.robot
        begin, along = np.asarray(origin, float), np.asarray(direction, float)
        along = along / np.linalg.norm(along)
        places = self.readout.base_position
        ahead = (places - begin) @ along
        off = np.linalg.norm(begin + ahead[:, None] * along - places, axis=1)
        met = np.nonzero((ahead > 0) & (off < robot.start_height))[0]
        flat = np.hypot(*along[:2])
        if not len(met) or flat < 1e-6:
            return None
        return int(met[np.argmin(ahead[met])]), along[:2] / flat

    @staticmethod
    def _numbers(array: Array) -> np.ndarray:
        return np.asarray(convert(array, "numpy"))
