"""Do again what a robot did, bit by bit, or otherwise: with another policy, engine, friction, or slightly disturbed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from locoenvs.envs import backends
from locoenvs.envs.saved_state import rows_of, together
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.failures import trace
from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.failures.transplant import fits, jostled, put
from locoenvs.policies.policy import Policy, episodes_begin
from locoenvs.tasks.task import Task

MOST_SPREAD = 10.0
"""m/s and rad/s: copies that differ by more are no copies."""

Look = Callable[[LocoVectorEnv, int, np.ndarray], None]
"""Sees the environment as a replay begins and after every step: how many they were, and which robots (n,) had not ended before."""


@dataclasses.dataclass(frozen=True)
class Begin:
    """Where a replay begins: the states of n robots, the control steps (n,) that their episodes have had, and their motions' check sums."""

    state: dict[str, np.ndarray]
    steps: np.ndarray
    checksums: np.ndarray


@dataclasses.dataclass(frozen=True)
class Rerun:
    """What n robots did from there to the end of their episodes."""

    begun: np.ndarray  # (n,) control steps of the episode before
    fell: np.ndarray  # (n,) bool
    steps: np.ndarray  # (n,) control steps of the whole episode
    checksums: np.ndarray  # (n,) uint64 of the whole motion
    positions: np.ndarray  # (T + 1, n, 7 + J), from the state on with which it began


def begin_of(archive: Archive, robot: int) -> Begin:
    """The state that was kept before a robot's fall, or its start where none was. Raises ValueError for a robot that is not there.

    A recurrent policy's robots begin at their start: what the policy remembers is not kept.
    """
    count = len(archive.steps)
    if not 0 <= robot < count:
        raise ValueError(f"robot {robot} is not in {archive.name}: its panel has robots 0 to {count - 1}")
    if archive.fall(robot) is not None and not archive.policy.recurrent:
        index = archive.index(robot)
        return Begin(archive.kept(robot), archive.begun[[index]], archive.begun_checksums[[index]])
    panel = archive.panel
    env = environment(archive, panel.num_robots)
    try:
        env.reset(seed=panel.seed)
        state = rows_of(env.save(), [robot])
        where = trace.positions(env.state.episodes.readout)[[robot]]
    finally:
        env.close()
    return Begin(state, np.zeros(1, np.int32), trace.gone_on(trace.begun(1), where))


def both(begins: Sequence[Begin]) -> Begin:
    """Several robots that begin together."""
    return Begin(
        together([begin.state for begin in begins]),
        np.concatenate([begin.steps for begin in begins]),
        np.concatenate([begin.checksums for begin in begins]),
    )


def environment(
    archive: Archive,
    count: int,
    *,
    task: Task | None = None,
    backend: str | None = None,
    options: Mapping[str, object] | None = None,
    **pictures: Any,
) -> LocoVectorEnv:
    """An environment for ``count`` robots of the panel: as the evaluation's was, or with another task, another backend.

    Another backend takes the ``options`` that are given and no others, the same one those beside its own.
    """
    header = archive.header
    same = backend in (None, header.backend)
    task = task or archive.panel.task
    looks = task.robot.visuals or archive.policy.task.robot.visuals  # which panels leave out
    return LocoVectorEnv(
        dataclasses.replace(task, robot=dataclasses.replace(task.robot, visuals=looks)),
        count,
        backend=backend or header.backend,
        options={**(header.options if same else {}), **(options or {})},
        split=archive.panel.split,
        stagger=False,
        autoreset_mode="disabled",
        **pictures,
    )


def run(
    env: LocoVectorEnv,
    policy: Callable[[np.ndarray], np.ndarray],
    observation: np.ndarray,
    begin: Begin,
    look: Look = lambda env, step, alive: None,
) -> Rerun:
    """Let the robots of ``env`` go on to the end of their episodes, and ``look`` at them."""
    count = env.num_envs
    alive, fell = np.ones(count, bool), np.zeros(count, bool)
    steps, sums = begin.steps.copy(), begin.checksums
    positions = [trace.positions(env.state.episodes.readout)]
    episodes_begin(policy)
    look(env, 0, alive)
    while alive.any():
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        where = trace.positions(env.state.episodes.readout)
        sums = np.where(alive, trace.gone_on(sums, where), sums)
        steps = steps + alive
        fell |= alive & terminated
        positions.append(where)
        look(env, len(positions) - 1, alive)
        done = terminated | truncated
        alive = alive & ~done
        if done.any() and alive.any():
            observation, _ = env.reset(options={"reset_mask": done})
            episodes_begin(policy, done)
    return Rerun(begin.steps, fell, steps, sums, np.stack(positions))


def rows(archive: Archive, robots: np.ndarray) -> np.ndarray:
    """Where :func:`again` has these robots (n,), each of which is there once.

    On native MuJoCo they are alone: what a robot does depends on no other. Another engine rounds otherwise for another number of robots,
    so there they are in their own rows among as many as the evaluation had.
    """
    return np.arange(len(robots)) if archive.header.backend == "mujoco" else np.asarray(robots)


def again(archive: Archive, begin: Begin, look: Look = lambda env, step, alive: None, **pictures: Any) -> Rerun:
    """What the evaluation's policy did, from there, in the evaluation's environment. ``look`` sees the robots in their :func:`rows`."""
    robots = begin.state["episodes.robot"]
    own = rows(archive, robots)
    given = np.zeros(len(own) if archive.header.backend == "mujoco" else archive.panel.num_robots, int)
    given[own] = np.arange(len(own))  # the other rows hold the first one once more
    env = environment(archive, len(given), **pictures)
    try:
        observation = env.restore(rows_of(begin.state, given))
        all_rows = Begin(begin.state, begin.steps[given], begin.checksums[given])
        made = run(env, archive.policy, observation, all_rows, look)
    finally:
        env.close()
    return Rerun(made.begun[own], made.fell[own], made.steps[own], made.checksums[own], made.positions[:, own])


def possible(
    archive: Archive,
    *,
    policy: Policy | None = None,
    backend: str | None = None,
    changes: Mapping[str, Any] | None = None,
    copies: int = 1,
    spread: float = 0.0,
) -> Task:
    """The task that :func:`otherwise` does with these. Raises ValueError for what it cannot do."""
    if copies < 1 or not 0 <= spread <= MOST_SPREAD:
        raise ValueError(f"copies must be at least 1 and spread from 0 to {MOST_SPREAD:g}, got {copies} and {spread}")
    task = archive.panel.task.with_(changes) if changes else archive.panel.task
    fits(archive.panel.task, task)
    (policy or archive.policy).check(task)
    backends.load(backend or archive.header.backend)
    return task


def otherwise(
    archive: Archive,
    begin: Begin,
    *,
    policy: Policy | None = None,
    backend: str | None = None,
    options: Mapping[str, object] | None = None,
    changes: Mapping[str, Any] | None = None,
    copies: int = 1,
    spread: float = 0.0,
    look: Look = lambda env, step, alive: None,
    **pictures: Any,
) -> Rerun:
    """What ``copies`` of one robot do from there with another policy, backend or task, with velocities that differ by up to ``spread``.

    The first one's do not. Raises ValueError for what :func:`possible` refuses, such as changes of the robot or its ground.
    """
    panel = archive.panel
    task = possible(archive, policy=policy, backend=backend, changes=changes, copies=copies, spread=spread)
    drives = policy or archive.policy
    many = Begin(rows_of(begin.state, [0] * copies), begin.steps.repeat(copies), begin.checksums.repeat(copies))
    env = environment(archive, copies, task=task, backend=backend, options=options, **pictures)
    try:
        observation = put(env, many.state, panel.task, panel.seed)
        if spread > 0 and copies > 1:
            observation = jostled(env, spread)
        return run(env, drives, observation, many, look)
    finally:
        env.close()


def parted(one: Rerun, other: Rerun, robot: int, columns: slice, by: float) -> int | None:
    """Control steps after which the positions of robot 0 of ``one`` and ``robot`` of ``other`` differ by more than ``by``; None: never.

    ``columns`` are those of :func:`locoenvs.evidence.failures.trace.positions`.
    """
    length = min(each.steps[row] - each.begun[row] for each, row in ((one, 0), (other, robot))) + 1
    off = np.abs(one.positions[:length, 0, columns] - other.positions[:length, robot, columns]).max(axis=1)
    return int(np.argmax(off > by)) if (off > by).any() else None
