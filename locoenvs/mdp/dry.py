"""A dry step: what others added to the vocabulary is tried as an environment is made, so that it fails then and by its name."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from locoenvs.install import NAME
from locoenvs.mdp.draws import DRIVE, Draw, of_stage
from locoenvs.mdp.layout import layout
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.rewards import Step
from locoenvs.mdp.sensing import slots
from locoenvs.mdp.start import begin
from locoenvs.mdp.state import Episodes
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array, convert, device_of, kind_of
from locoenvs.tasks.entries import Entry
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS, REWARD_TERMS, TERMINATIONS, Randomization, Word

ROBOTS = 3
"""More than one and unlike the sizes of vectors, so that a shape that fits by chance does not."""

Tried = tuple[str, Word, Callable[[Episodes], object], tuple[int, ...], bool]
"""What it is, its word, its value, and the shape and whether it is bool that the value must have."""


def check(mdp: Mdp) -> None:
    """Raise ValueError naming the first reward term, slot or termination of another package, or randomization, that does not give
    what it must. Under JAX it must also be possible to trace it."""
    tried = [each for each in _used(mdp) if each[1].package != NAME]
    drawn = list(of_stage(mdp.task, "physics", "drive", "sensors", "lag"))
    if not (tried or drawn):
        return
    episodes = robots(mdp)
    for kind, word, value, shape, boolean in tried:
        said = f"{kind} {word.name!r} of {word.package!r}"
        result: Any = _value(mdp, said, value, episodes)
        if not hasattr(result, "dtype") or not hasattr(result, "shape"):
            raise ValueError(f"{said} must return an array, one row a robot, got {type(result).__name__}")
        if tuple(result.shape) != shape:
            raise ValueError(
                f"{said} must return shape {('num_envs', *shape[1:])}, got {tuple(result.shape)} for {ROBOTS} robots"
            )
        wanted = "bool" if boolean else "real floating"
        if not mdp.xp.isdtype(result.dtype, wanted):
            raise ValueError(
                f"{said} must return numbers of kind {wanted!r}, got {result.dtype}: convert them by astype"
            )
        if not boolean and not bool(mdp.xp.all(mdp.xp.isfinite(result))):
            raise ValueError(f"{said} is not finite for robots that have just been placed, but {_first(result)}")
    for name, randomization, entry in drawn:
        _check_drawn(mdp, episodes, name, randomization, entry)


def _value(mdp: Mdp, said: str, function: Callable[[Episodes], object], episodes: Episodes) -> object:
    """What a function gives. Raises ValueError for whatever it raises, and for what JAX cannot trace."""
    try:
        if kind_of(mdp.xp) == "jax":
            importlib.import_module("jax").eval_shape(function, episodes)
        return function(episodes)
    except Exception as error:
        untraced = type(error).__module__.startswith("jax") and "racer" in type(error).__name__ + str(error)
        trace = "cannot be traced by JAX, use where() in place of if" if untraced else "fails"
        told = " ".join(str(error).split())[:200]
        raise ValueError(f"{said} {trace}: {type(error).__name__}{': ' if told else ''}{told}") from error


def _used(mdp: Mdp) -> Iterator[Tried]:
    """What the task is put together from."""
    task = mdp.task
    for slot, spec in zip(layout(task), task.observations.slots, strict=True):
        seen = OBSERVATION_SLOTS[spec.name]
        value = lambda episodes, f=seen.function, p=spec.parameters: f(mdp, episodes, **p)  # noqa: E731
        yield "observation slot", seen, value, (ROBOTS, slot.stop - slot.start), False
    for name, term in mdp.reward_terms.items():
        value = lambda episodes, f=REWARD_TERMS[name].function, p=term.parameters: f(_step(mdp, episodes), **p)  # noqa: E731
        yield "reward term", REWARD_TERMS[name], value, (ROBOTS,), False
    for name, entry in task.terminations.items():
        value = lambda episodes, f=TERMINATIONS[name].function, p=entry.parameters: f(_step(mdp, episodes), **p)  # noqa: E731
        yield "termination", TERMINATIONS[name], value, (ROBOTS,), True


def _check_drawn(mdp: Mdp, episodes: Episodes, name: str, word: Randomization, entry: Entry) -> None:
    """Raise ValueError for a randomization that does not give what its stage must."""
    said = f"randomization {name!r} of {word.package!r}"
    seen = slots(mdp, episodes)

    def drawn(episodes: Episodes) -> object:
        draw = Draw(name, episodes.key, episodes.number, episodes.step)
        given = (draw, mdp, episodes, seen) if word.stage == "sensors" else (draw, mdp)
        return word.function(*given, **entry.parameters)

    result = _value(mdp, said, drawn, episodes)
    shapes: dict[str, tuple[tuple[int, ...], ...]]
    joints, bodies = mdp.num_joints, len(mdp.task.robot.bodies)
    if word.stage == "lag":
        result, shapes = {"delay": result}, {"delay": ((ROBOTS, 1),)}
    elif word.stage == "sensors":
        shapes = {slot: (tuple(values.shape),) for slot, values in seen.items()}
    elif word.stage == "drive":
        shapes = {quantity: ((ROBOTS, joints), (ROBOTS, 1)) for quantity in word.quantities if quantity in DRIVE}
    else:
        every = {"mass": bodies, "center_of_mass": 3, "armature": joints}
        shapes = {quantity: ((ROBOTS, every[quantity]),) for quantity in word.quantities if quantity in every}
    if not isinstance(result, Mapping):
        raise ValueError(f"{said} must return a mapping of {', '.join(shapes)}, got {type(result).__name__}")
    for quantity, values in result.items():
        if quantity in ("friction", "payload") and word.stage == "physics":
            raise ValueError(f"{said} gives {quantity}, which is the task's own: set randomization.{quantity}")
        if quantity not in shapes:
            raise ValueError(
                f"{said} gives {quantity!r}; it may give {', '.join(shapes) or 'nothing: name its quantities'}"
            )
        if tuple(getattr(values, "shape", ())) not in shapes[quantity]:
            raise ValueError(
                f"{said}: {quantity} must have shape {shapes[quantity][0]} for {ROBOTS} robots, "
                f"got {getattr(values, 'shape', values)}"
            )
        if not bool(mdp.xp.all(mdp.xp.isfinite(values))):
            raise ValueError(f"{said}: {quantity} is not finite, but {_first(values)}")
        if quantity == "delay" and word.stage != "sensors":
            _check_delay(mdp, said, values, entry)


def _first(values: Array) -> str:
    """The first number of an array that is not finite, and whose it is."""
    found = convert(values, "numpy")
    wrong = tuple(np.argwhere(~np.isfinite(found))[0])
    return f"{found[wrong]} for robot {wrong[0]}"


def _check_delay(mdp: Mdp, said: str, values: Array, entry: Entry) -> None:
    """Raise ValueError for a delay whose greatest length is not known beforehand."""
    ends = entry.parameters.get("delay")
    if not (isinstance(ends, tuple) and len(ends) == 2):
        raise ValueError(f"{said} gives a delay: it must have a parameter delay, (least, most) s, within which that is")
    if bool(mdp.xp.any((values < ends[0] - 1e-6) | (values > ends[1] + 1e-6))):
        raise ValueError(f"{said} gives a delay outside of its parameter delay={ends} s")


def robots(mdp: Mdp) -> Episodes:
    """Robots at the begin of their first episode, as they are without randomizations."""
    randomization = dataclasses.replace(mdp.task.randomization, terms={})
    plain = dataclasses.replace(mdp, task=dataclasses.replace(mdp.task, randomization=randomization))

    def placed(robot: Array) -> Episodes:
        key = rng.robot_key(0, rng.SPLITS["test"], robot, mdp.task.seed_families)
        return begin(plain, robot, key, robot * 0, robot * 0, robot % mdp.tile_centers.shape[1])

    robot = mdp.xp.arange(ROBOTS, dtype=mdp.xp.int32, device=device_of(mdp.tile_centers))
    if kind_of(mdp.xp) == "jax":
        return importlib.import_module("jax").jit(placed)(robot)
    return placed(robot)


def _step(mdp: Mdp, episodes: Episodes) -> Step:
    """A step in which nothing happens."""
    return Step(
        mdp=mdp,
        readout=episodes.readout,
        command=episodes.command,
        action=episodes.last_action,
        last_action=episodes.last_action,
        last_joint_velocity=episodes.joint_velocity,
        air_time=episodes.air_time,
        first_contact=episodes.contact,
        foot_contact=episodes.contact,
        terminated=episodes.readout.broken,
    )
