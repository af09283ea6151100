"""What an environment saves and goes on from: its robots, its physics and its clock as named arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from locoenvs.mdp.state import EnvState, Simulator
from locoenvs.numerics import rows
from locoenvs.numerics.arrays import Array, convert

MEMORY = ("physics.actuator", "physics.memory")
"""What a backend may call its actuator's memory, which has the robots on its second axis; all else leads with them."""

WHOLE = ("clock", "task")
"""What is the same for all robots."""


def named(state: EnvState, waiting: Array | None, simulator: Simulator, task_hash: str) -> dict[str, np.ndarray]:
    """The state, the robots (N,) that wait for a reset if there is a mask of them, and the task's hash as bytes."""
    saved = {f"episodes.{name}": np.array(convert(a, "numpy")) for name, a in rows.named_arrays(state.episodes)}
    saved |= {f"physics.{name}": value for name, value in simulator.save(state.physics).items()}
    if waiting is not None:
        saved["waiting"] = np.array(convert(waiting, "numpy"))
    task = np.frombuffer(task_hash.encode(), np.uint8).copy()
    return saved | {"clock": np.array(convert(state.clock, "numpy")), "task": task}


def restored(saved: Mapping[str, np.ndarray], like: EnvState, simulator: Simulator) -> tuple[EnvState, Array | None]:
    """The state and the robots that wait, from arrays that fit a state ``like`` this one; the physics takes over its own."""
    array = lambda value: simulator.xp.asarray(value, device=simulator.device)  # noqa: E731
    episodes = rows.from_named(like.episodes, lambda name: array(saved[f"episodes.{name}"]))
    own = {name.removeprefix("physics."): value for name, value in saved.items() if name.startswith("physics.")}
    state = EnvState(episodes, array(saved["clock"]), simulator.restore(own))
    return state, array(saved["waiting"]) if "waiting" in saved else None


def rows_of(saved: Mapping[str, np.ndarray], robots: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """What an environment of len(robots) robots of the same task restores: those of ``saved``, in that order.

    A robot may be taken several times. Each keeps its number and its stream, and goes on like the robot it was: bit by bit on native
    MuJoCo, whatever the others are. MJX compiles another program for another number of robots, which rounds otherwise: there it is bit by
    bit among as many robots, in the same row. Raises ValueError for a robot that is not in ``saved``, and for what no environment saved.
    """
    if "episodes.robot" not in saved or saved["episodes.robot"].ndim != 1:
        raise ValueError("what was saved lacks 'episodes.robot': it is not what an environment's save() returned")
    count, wanted = len(saved["episodes.robot"]), np.asarray(robots)
    if wanted.ndim != 1 or not len(wanted) or wanted.dtype.kind not in "iu":
        raise ValueError(f"robots must be a list of whole numbers, at least one, got {robots!r}")
    if beyond := [int(robot) for robot in wanted if not 0 <= robot < count]:
        raise ValueError(f"robot {beyond[0]} is not in what was saved, which has robots 0 to {count - 1}")
    rows = {}
    for name, value in saved.items():
        axis = 1 if name in MEMORY else 0
        if name not in WHOLE and (value.ndim <= axis or value.shape[axis] != count):
            raise ValueError(f"what was saved has {name!r} of shape {value.shape}, with other robots than its {count}")
        rows[name] = np.array(value) if name in WHOLE else np.take(value, wanted, axis=axis)
    return rows


def together(states: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The robots of several states of one task, in their order, as one state, with the first one's clock."""
    waits = any("waiting" in state for state in states)
    none = lambda state: {"waiting": np.zeros(len(state["episodes.robot"]), bool)} if waits else {}  # noqa: E731
    whole = [{**none(state), **state} for state in states]
    return {
        name: np.array(value) if name in WHOLE else np.concatenate([s[name] for s in whole], axis=int(name in MEMORY))
        for name, value in whole[0].items()
    }


def check(saved: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray], task_hash: str) -> None:
    """Raise ValueError unless ``saved`` has the arrays of ``own``, which this environment saves. Version 0.1.0 saved no task."""
    theirs = bytes(np.asarray(saved["task"], np.uint8)).decode("ascii", "replace") if "task" in saved else task_hash
    count, robots = len(own["episodes.robot"]), len(np.atleast_1d(saved.get("episodes.robot", ())))
    if "episodes.robot" in saved and robots != count:
        raise ValueError(
            f"what was saved has {robots} robots, this environment {count}: make it with as many, or take some by rows_of()"
        )
    if theirs != task_hash:
        raise ValueError(
            f"what was saved is of task {theirs}, this environment does task {task_hash}: make it with that task"
        )
    free = {"task", "waiting"}
    if missing := sorted(set(own) - set(saved) - free):
        raise ValueError(f"what was saved lacks {missing[0]!r}, and {len(missing) - 1} more of {len(own)} arrays")
    if unknown := sorted(set(saved) - set(own) - free):
        raise ValueError(f"what was saved has {unknown[0]!r}, which this backend does not know")
    for name, like in own.items():
        value = np.asarray(saved.get(name, like))
        if value.shape != like.shape or value.dtype.kind != like.dtype.kind:
            raise ValueError(
                f"what was saved has {name!r} of {value.dtype} {value.shape}, this environment's is {like.dtype} {like.shape}"
            )
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"what was saved has {name!r} with numbers that are NaN or infinite")
