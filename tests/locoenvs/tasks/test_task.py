"""Whatever stands in a task's JSON, it is refused in words or it is a task that works."""

from __future__ import annotations

import copy
import dataclasses
import json
import random
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.terrain import build, map_of
from locoenvs.tasks.entries import Term, TileShare
from locoenvs.tasks.task import (
    PAPER_TERMS,
    Commands,
    Curriculum,
    Pushes,
    Randomization,
    Rewards,
    Task,
    Terrain,
    Timing,
)

VALUES: tuple[Any, ...] = (
    0, -1, 1, 2, 0.5, 1e-9, 1e-300, 1e3, 1e9, 2**31, 2**63, 1e300, float("inf"), float("-inf"), float("nan"), None,
    True, "", "x", "x" * 5000, [], {}, [1, 2], [[]], -0.0, "0.1", 1e6, -1e6, 20_000_000,
)  # fmt: skip


def mutated(document: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The document with one to three of its values replaced, deleted, doubled, scaled or added."""
    changed = copy.deepcopy(document)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        node: Any = changed
        parent, key = None, None
        while isinstance(node, dict | list) and node and (parent is None or draw.random() < 0.85):
            parent = node
            key = draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
            node = node[key]
        assert parent is not None
        way = draw.random()
        if way < 0.15:
            del parent[key]
        elif way < 0.25 and isinstance(parent, list):
            parent.extend(copy.deepcopy(parent) * draw.choice((1, 20)))
        elif way < 0.3 and isinstance(parent, dict):
            parent["unknown"] = 1
        elif way < 0.6 and isinstance(node, int | float) and not isinstance(node, bool):
            parent[key] = node * draw.choice((-1, 0, 1e-6, 0.1, 10, 100, 1e4, 1e12))
        else:
            parent[key] = draw.choice(VALUES)
    return changed


def works(task: Task) -> None:
    """Two robots reset and step, and all that they return is finite."""
    env = LocoVectorEnv(task, 2, backend="mujoco", options={"threads": 1})
    try:
        seen, _ = env.reset(seed=0)
        for _ in range(2):
            assert np.isfinite(seen).all()
            seen, reward, *_, info = env.step(env.action_space.sample() * 0.01)
            assert np.isfinite(reward).all() and all(np.isfinite(term).all() for term in info["reward_terms"].values())
    finally:
        env.close()


@pytest.mark.slow
def test_mutations_of_a_tasks_json_are_refused_in_words_or_work() -> None:
    draw, built, documents = random.Random(0), 0, list[dict[str, Any]]()
    for env_id in ("Loco/A1-Rough-v0", "Loco/A1-Flat-v0", "Loco/Cassie-Rough-v0", "Loco/AnymalC-Rough-v0"):
        for recipe in ("paper", "legged_gym", "walk"):
            base = task_of(env_id, recipe)
            ground = dataclasses.replace(base.terrain, levels=6, columns=7, border=1.0)
            base = dataclasses.replace(base, terrain=ground, timing=Timing(episode_length=4.0))  # a small map
            documents.append(json.loads(base.to_json()))
            documents[-1]["robot"]["visuals"] = documents[-1]["robot"]["visuals"][:2]
    for count in range(600):
        text = json.dumps(mutated(draw.choice(documents), draw))
        try:
            task = Task.from_json(text)
            if count % 5 == 0:  # the others are read only, which is most of what can go wrong
                works(task)
                built += 1
        except ValueError as error:
            assert raised_by_us(error), f"{error!r} of {text}"
    assert built > 20


def raised_by_us(error: Exception) -> bool:
    """Whether this project refused, in its own words or pydantic's, or handed on its engine's: not an array library's."""
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    return any(place in Path(last).parts for place in ("pydantic", "locoenvs", "backends"))


@pytest.mark.parametrize("env_id", sorted(IDS))
def test_the_bounds_hold_every_task_of_the_suite(env_id: str) -> None:
    for recipe in ("paper", "legged_gym", "walk"):
        task = task_of(env_id, recipe)
        assert Task.from_json(task.to_json()) == task


BIPED = task_of("Loco/A1-Flat-v0").robot


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terrain": {"border": 1000.0, "cell": 0.02}}, "the map would have .* at most 16 million: use larger cells"),
        ({"commands": {"forward": (-100.0, 100.0)}}, "a smaller border than .* .slower commands or shorter episodes"),
        ({"timing": {"episode_length": 3600.0}}, "at most 16 million"),
    ],
)
def test_a_map_that_is_too_large_is_refused_before_it_is_built(change: dict[str, Any], message: str) -> None:
    task = task_of("Loco/A1-Rough-v0")
    for field, values in change.items():
        task = dataclasses.replace(task, **{field: dataclasses.replace(getattr(task, field), **values)})
    with pytest.raises(ValueError, match=message):
        map_of(task)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Terrain(border=1e9), "border"),
        (lambda: Terrain(columns=20_000_000), "columns"),
        (lambda: Terrain(levels=100, columns=100), "100 times terrain.columns 100 must be at most 2000 tiles"),
        (lambda: Commands(resample_every=1e9), "resample_every"),
        (lambda: Timing(decimation=10**6), "decimation"),
        (lambda: Timing(physics_dt=1e-9), "physics_dt"),
        (lambda: Randomization(friction=(-0.1, 1.0)), "friction"),
        (lambda: TileShare("flat", 1e9), "less than or equal to 1"),
        (lambda: Task(BIPED, commands=Commands(resample_every=0.001)), "resample_every 0.001 s must be at least"),
    ],
)
def test_every_field_has_bounds(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_no_number_of_a_task_is_without_bounds() -> None:
    """Every number in a task's schema has a lower and an upper bound, and every text and list a longest length."""
    schema = TypeAdapter(Task).json_schema()
    missing: list[str] = []

    def look(node: Any, where: str) -> None:
        if isinstance(node, list):
            for index, each in enumerate(node):
                look(each, f"{where}.{index}")
        elif isinstance(node, dict):
            kind = node.get("type")
            if kind in ("number", "integer") and not {"enum", "const"} & set(node):
                low, high = {"minimum", "exclusiveMinimum"} & set(node), {"maximum", "exclusiveMaximum"} & set(node)
                if not (low and high):
                    missing.append(where)
            if kind == "string" and not {"enum", "const", "maxLength"} & set(node):
                missing.append(where)
            if kind == "array" and "maxItems" not in node:
                missing.append(where)
            for key, value in node.items():
                look(value, f"{where}.{key}")

    look(schema, "task")
    assert not missing


TASK = task_of("Loco/A1-Flat-v0")
ROBOT = TASK.robot
FINEST = Timing(physics_dt=1e-5, decimation=1)


def with_robot(**changes: Any) -> Task:
    return dataclasses.replace(TASK, robot=dataclasses.replace(ROBOT, **changes))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: dataclasses.replace(TASK, curriculum=Curriculum(initial_level=50)),
            "50 must be below terrain.levels 10",
        ),
        (lambda: with_robot(spheres=(), feet=(), penalized=(), terminating=()), "spheres"),
        (lambda: with_robot(feet=ROBOT.feet * 2), "feet names .* twice"),
        (lambda: with_robot(penalized=ROBOT.penalized * 2), "penalized names .* twice"),
        (lambda: with_robot(terminating=ROBOT.terminating * 2), "terminating names .* twice"),
        (
            lambda: with_robot(bodies=tuple(dataclasses.replace(body, joint=None) for body in ROBOT.bodies), mirror=()),
            "no body has a joint",
        ),
        (lambda: Rewards({name: Term(0.0) for name in PAPER_TERMS}), "at least one weight must not be zero"),
        (lambda: Rewards({}), "at least one weight must not be zero"),
        (
            lambda: TASK.with_({"rewards.terms.linear_velocity_tracking.parameters.width": 1e-300}),
            "rewards.terms.linear_velocity_tracking: width",
        ),
        (lambda: Terrain(kind="plane", tile=1e-9, platform=1e-10), "tile"),
        (
            lambda: dataclasses.replace(TASK, timing=FINEST, commands=Commands(resample_every=1e5)),
            "resample_every 100000.0 s must be less than 2\\^31 control steps",
        ),
        (
            lambda: dataclasses.replace(TASK, timing=FINEST, randomization=Randomization(pushes=Pushes(interval=1e5))),
            "pushes.interval 100000.0 s must be less than 2\\^31 control steps",
        ),
    ],
)
def test_what_no_engine_could_run_is_refused_before_one_is_made(make: Callable[[], Any], message: str) -> None:
    """Each value is within its own bounds; what it goes with makes it an error."""
    with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
        warnings.simplefilter("error")
        make()


def test_obstacles_are_counted_before_they_are_placed() -> None:
    """A map of few heights can have millions of boxes, each a step of a loop."""
    wide = {"tile": 100.0, "cell": 2.0, "shares": (TileShare("obstacles", 1.0),)}
    build(Terrain(levels=1, columns=2, **wide))  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match="the map would have 6250000 obstacles; at most 200000: .* smaller or fewer tiles"
    ):
        build(Terrain(levels=2, columns=1000, **wide))  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["feet", "penalized", "terminating"])
def test_a_robot_may_have_none_of_these(part: str) -> None:
    """Without feet there is no air time, without penalized bodies no collision, without terminating ones no fall."""
    weights = {"rewards.terms.single_foot.weight": 1.0, "rewards.terms.termination.weight": -1.0}
    works(with_robot(**{part: ()}).with_(weights))
