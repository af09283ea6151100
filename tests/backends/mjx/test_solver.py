"""The forces of stiff contacts in float32, against the exact minimum in float64."""

from __future__ import annotations

import functools

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")

import jax
import jax.numpy as jnp

from locoenvs.backends.mjx import solver
from locoenvs.backends.mjx.solver import Problem, minimum

PROBLEMS, DEGREES, ROWS = 60, 9, 24


def problems() -> Problem:
    """Some robots in free fall, some on many stiff contacts, with aims as of contacts that are a millimeter deep."""
    draw = np.random.default_rng(0)
    root = draw.normal(size=(PROBLEMS, DEGREES, DEGREES))
    free = 30 * draw.normal(size=(PROBLEMS, DEGREES))
    return Problem(
        jacobian=draw.normal(size=(PROBLEMS, ROWS, DEGREES)),
        stiffness=10 ** draw.uniform(1, 4, (PROBLEMS, ROWS)),
        aim=draw.normal(size=(PROBLEMS, ROWS)) * 300 * np.linspace(0, 1, PROBLEMS)[:, None] - 50,
        mass=root @ root.transpose(0, 2, 1) / DEGREES + np.eye(DEGREES),
        free=free,
        effort=np.linalg.norm(free, axis=-1),
        warm=np.zeros_like(free),
    )


@functools.cache
def minima() -> np.ndarray:
    given = problems()
    return np.stack([exact(Problem(*(array[i] for array in given))) for i in range(PROBLEMS)])


def exact(problem: Problem) -> np.ndarray:
    """Newton's method with bisection, in float64."""
    jacobian, stiffness, aim, mass, free = (np.asarray(array, np.float64) for array in problem[:5])
    acceleration = free.copy()

    def slopes(at: np.ndarray) -> np.ndarray:
        return mass @ (at - free) + jacobian.T @ (stiffness * np.minimum(jacobian @ at - aim, 0.0))

    for _ in range(100):
        weight = np.where(jacobian @ acceleration < aim, stiffness, 0.0)
        step = -np.linalg.solve(mass + (jacobian.T * weight) @ jacobian, slopes(acceleration))
        low, high = 0.0, 1.0
        while step @ slopes(acceleration + high * step) < -1e-9:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if step @ slopes(acceleration + middle * step) < 0 else (low, middle)
        acceleration = acceleration + high * step
        if np.linalg.norm(step) < 1e-9 * np.linalg.norm(acceleration):
            return acceleration
    raise AssertionError("no minimum found")


def close(ours: jax.Array, theirs: np.ndarray) -> None:
    size = np.linalg.norm(theirs, axis=-1, keepdims=True)
    assert (np.abs(np.asarray(ours) - theirs) < 5e-4 * size).all()


def test_all_reach_the_minimum_also_those_that_go_on_in_groups() -> None:
    given = problems()
    single = Problem(*(jnp.asarray(array, jnp.float32) for array in given))
    theirs = minima()
    solved = jax.jit(jax.vmap(minimum))
    acceleration, residual = solved(*single)
    close(acceleration, theirs)
    force = -given.stiffness * np.minimum(np.einsum("nri,ni->nr", given.jacobian, theirs) - given.aim, 0)
    ours = -given.stiffness * np.minimum(np.asarray(residual, np.float64), 0)
    assert (np.abs(ours - force) < 1e-3 * force.max(axis=-1, keepdims=True) + 1e-2).all() and (force[-1] > 0).sum() > 3
    # From the solution, rounded, it stays there: where the cost cannot tell any more.
    close(solved(*single._replace(warm=acceleration))[0], theirs)
    close(jax.jit(minimum)(*(array[7] for array in single))[0], theirs[7])
    shared = (None, 0, 0, None, 0, 0, 0)
    same = single._replace(jacobian=single.jacobian[3], mass=single.mass[3])
    mixed = np.asarray(jax.jit(jax.vmap(minimum, in_axes=shared))(*same)[0])
    np.testing.assert_allclose(mixed[3], np.asarray(acceleration)[3], rtol=1e-4, atol=1e-3)


def test_some_do_go_on_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above sees them: stopped before, they are wrong."""
    monkeypatch.setattr(solver, "ITERATIONS", solver.TOGETHER)
    given = problems()
    single = Problem(*(jnp.asarray(array, jnp.float32) for array in given))
    acceleration, _ = jax.jit(jax.vmap(lambda *problem: minimum(*problem)))(*single)
    size = np.linalg.norm(minima(), axis=-1, keepdims=True)
    wrong = (np.abs(np.asarray(acceleration) - minima()) > 1e-2 * size).any(axis=1)
    assert PROBLEMS // solver.GROUPS < wrong.sum() < PROBLEMS, "more than one group"


def test_numbers_that_are_none_end_it_and_harm_no_other_robot() -> None:
    given = Problem(*(jnp.asarray(array, jnp.float32) for array in problems()))
    solved = jax.jit(jax.vmap(minimum))
    spoiled, _ = solved(*given._replace(aim=given.aim.at[5].set(jnp.nan)))
    sound, _ = solved(*given)
    others = np.arange(PROBLEMS) != 5
    np.testing.assert_array_equal(np.asarray(spoiled)[others], np.asarray(sound)[others])


def test_accelerations_of_the_step_before_that_say_nothing_do_no_harm() -> None:
    """A robot that has hit something begins from where it would be without constraints, if that is nearer."""
    given, single = problems(), Problem(*(jnp.asarray(array, jnp.float32) for array in problems()))
    far = 1e6 * jnp.asarray(np.random.default_rng(1).normal(size=given.free.shape), jnp.float32)
    close(jax.jit(jax.vmap(minimum))(*single._replace(warm=far))[0], minima())
