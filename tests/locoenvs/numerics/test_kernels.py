"""Compiled kernels give what the formulas give, bit by bit, and without them the formulas still do."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from locoenvs.backends.mujoco.simulator import _single_precision
from locoenvs.envs.registration import make_vector, task
from locoenvs.mdp import rewards
from locoenvs.mdp.kinematics import sphere_centers
from locoenvs.mdp.observations import height_samples
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics import compiled, kernels, rng, rotation, rows

DRAW = np.random.default_rng(0)
COUNTS = (1, 3, 16, 700)


def both(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    """What the kernels give, and the formulas."""
    assert compiled.kernels() is kernels
    with compiled.plain():
        assert compiled.kernels() is None
        expected = function(*arguments)
    return function(*arguments), expected


def same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert_array_equal(found, expected)


def words(count: int) -> np.ndarray:
    return DRAW.integers(-(2**31), 2**31, count).astype(np.int32)


def normal(*shape: int) -> np.ndarray:
    return DRAW.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("count", COUNTS)
def test_draws(count: int) -> None:
    same(*both(rng.uniform, words(count), words(count), words(count), rng.Purpose.OBSERVATION_NOISE, 7))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("turn", [rotation.rotate, rotation.rotate_inverse])
def test_rotations(count: int, turn: Callable[..., Any]) -> None:
    same(*both(turn, normal(count, 4), normal(count, 3)))
    same(*both(turn, normal(count, 19)[:, 3:7], normal(count, 18)[:, :3]))  # rows of something wider
    same(*both(turn, normal(count, 1, 4), normal(count, 5, 3)))  # one turn for several vectors


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 10, 12, 16, 19, 128, 200])
def test_squared_norms(size: int) -> None:
    for count in COUNTS:
        same(*both(rewards.squared_norm, normal(count, size)))
        same(*both(rewards.squared_norm, normal(count, size + 2)[:, 1:-1]))
        same(*both(rewards.squared_norm, normal(count, 6, size)[:, [4, 1]]))


def test_heights_of_the_ground_its_edges_and_of_places_that_are_none() -> None:
    ground = normal(40, 61)
    x, y = (normal(9, 700) * 5).T, (normal(9, 700) * 4).T
    x[:4, 0], y[2:6, 0] = [np.nan, np.inf, -np.inf, np.nan], [np.nan, 3.0, np.nan, np.inf]
    same(*both(ground_height, ground, (-3.0, -2.0), 0.1, x, y))
    on_edges = np.arange(61, dtype=np.float32) * np.float32(0.25) - 3
    same(*both(ground_height, ground, (-3.0, -2.0), 0.25, on_edges, on_edges))


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_other_numbers_go_by_the_formula(dtype: type) -> None:
    assert compiled.kernels(normal(2), np.ones(2, dtype)) is None
    assert rotation.rotate(np.eye(4)[:1], np.ones((1, 3))).dtype == np.float64


@pytest.mark.parametrize("env_id", ["Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0", "Loco/Cassie-Rough-v0"])
@pytest.mark.parametrize("recipe", ["paper", "legged_gym"])
def test_whole_episodes(env_id: str, recipe: str) -> None:
    def episodes() -> list[Any]:
        env = make_vector(env_id, 5, recipe=recipe, actuator="pd", backend="mujoco", privileged=True)
        observation, _ = env.reset(seed=3)
        made, actions = [observation], np.random.default_rng(1)
        state = env.state
        step = np.array([3, 245, 495, 745, 995], np.int32)  # pushes and commands fall due, and the time is up
        env.state = dataclasses.replace(state, episodes=dataclasses.replace(state.episodes, step=step))
        for _ in range(25):
            made.append(env.step(actions.standard_normal(env.action_space.shape, dtype=np.float32)))
        made.append(dict(rows.named_arrays(env.state.episodes)))
        env.close()
        return made

    found, expected = both(episodes)
    np.testing.assert_equal(found, expected)


def test_height_samples_of_robots_anywhere() -> None:
    env = make_vector("Loco/AnymalC-Rough-v0", 1, backend="mujoco")
    for count in COUNTS:
        same(*both(height_samples, env.mdp, normal(count, 3) * np.float32([60, 90, 1]), normal(count, 4)))
    env.close()


@pytest.mark.parametrize("broken", ["numba told not to compile", "no numba"])
def test_without_numba_the_formulas_go_on(broken: str) -> None:
    hidden = "sys.modules['numba'] = None; " if broken == "no numba" else "os.environ['NUMBA_DISABLE_JIT'] = '1'; "
    code = (
        f"import os, sys; {hidden}\n"
        "import numpy as np, locoenvs\nfrom locoenvs.numerics import compiled, rng\n"
        "key = np.arange(3, dtype=np.int32)\n"
        "assert compiled.kernels(key) is None\n"
        "print(rng.uniform(key, key, key, rng.Purpose.PUSH, 2).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    key = np.arange(3, dtype=np.int32)
    assert done.stdout.strip() == str(rng.uniform(key, key, key, rng.Purpose.PUSH, 2).tolist())


def test_importing_locoenvs_imports_no_numba() -> None:
    code = "import sys, locoenvs; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("name", ["AnymalC", "Cassie", "A1"])
def test_where_a_robots_spheres_are(name: str) -> None:
    robot = task(f"Loco/{name}-Rough-v0").robot
    for count in COUNTS:
        same(*both(sphere_centers, robot, normal(count, len(robot.joint_names))))


@pytest.mark.parametrize("count", COUNTS)
def test_what_native_mujoco_reports(count: int) -> None:
    positions, velocities, sensors = (DRAW.standard_normal((count, size)) for size in (19, 18, 40))
    for number in (np.nan, np.inf, -1e4):
        velocities[DRAW.integers(count), DRAW.integers(18)] = number
    given = positions, velocities, DRAW.standard_normal((count, 12)), sensors[:, 3:21], sensors[:, [0, 1, 2, 39, 4, 5]]
    for compiled_one, formula in zip(*both(_single_precision, *given), strict=True):
        same(compiled_one, formula)
