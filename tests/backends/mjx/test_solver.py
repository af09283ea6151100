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

pytestmark = pytest.mark.xdist_group("mjx-solver")

PROBLEMS, DEGREES, ROWS, CONTACTS = 60, 9, 24, 5
"""Of the rows the last 15 are contacts with friction, by normals and tangents, or without them all push alike."""


def problems(contacts: int = CONTACTS) -> Problem:
    """Some robots in free fall, some on many stiff contacts, with aims as of contacts that are a millimeter deep."""
    draw = np.random.default_rng(0)
    root = draw.normal(size=(PROBLEMS, DEGREES, DEGREES))
    free = 30 * draw.normal(size=(PROBLEMS, DEGREES))
    stiffness = 10 ** draw.uniform(1, 4, (PROBLEMS, ROWS))
    stiffness[:, ROWS - 3 * contacts :] = np.tile(stiffness[:, ROWS - contacts :], 3)
    return Problem(
        jacobian=draw.normal(size=(PROBLEMS, ROWS, DEGREES)),
        stiffness=stiffness,
        aim=draw.normal(size=(PROBLEMS, ROWS)) * 300 * np.linspace(0, 1, PROBLEMS)[:, None] - 50,
        mass=root @ root.transpose(0, 2, 1) / DEGREES + np.eye(DEGREES),
        free=free,
        effort=np.linalg.norm(free, axis=-1),
        warm=np.zeros_like(free),
        friction=draw.uniform(0.2, 1.5, (PROBLEMS, contacts)),
    )


@functools.cache
def minima(contacts: int = CONTACTS) -> np.ndarray:
    given = problems(contacts)
    return np.stack([exact(Problem(*(array[i] for array in given))) for i in range(PROBLEMS)])


def forces(problem: Problem, residual: np.ndarray) -> np.ndarray:
    """Of rows that push: never a pull. Of contacts: the nearest point of the friction cone, in float64."""
    count = len(problem.friction)
    wanted = -problem.stiffness * residual
    split = len(wanted) - 3 * count
    found = np.maximum(wanted, 0.0)
    for contact, friction in enumerate(problem.friction):
        rows = split + contact + count * np.arange(3)
        normal, tangents = wanted[rows[0]], wanted[rows[1:]]
        slip = np.linalg.norm(tangents)
        if slip <= friction * normal:
            found[rows] = wanted[rows]
        elif friction * slip <= -normal:
            found[rows] = 0.0
        else:
            edge = np.array([1.0, *(friction * tangents / slip)])
            found[rows] = edge * (edge @ wanted[rows]) / (edge @ edge)
    return found


def exact(problem: Problem) -> np.ndarray:
    """Newton's method with bisection and with a Hessian by differences, in float64."""
    jacobian, _, aim, mass, free = (np.asarray(array, np.float64) for array in problem[:5])
    acceleration = free.copy()

    def slopes(at: np.ndarray) -> np.ndarray:
        return mass @ (at - free) - jacobian.T @ forces(problem, jacobian @ at - aim)

    for _ in range(100):
        here = slopes(acceleration)
        hessian = np.stack([slopes(acceleration + 1e-6 * one) - here for one in np.eye(len(free))], axis=1) / 1e-6
        step = -np.linalg.solve(hessian, here)
        low, high = 0.0, 1.0
        while step @ slopes(acceleration + high * step) < -1e-9:
            high *= 2
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if step @ slopes(acceleration + middle * step) < 0 else (low, middle)
        acceleration = acceleration + high * step
        if np.linalg.norm(step) < 1e-8 * np.linalg.norm(acceleration):
            return acceleration
    raise AssertionError("no minimum found")


def close(ours: jax.Array, theirs: np.ndarray) -> None:
    size = np.linalg.norm(theirs, axis=-1, keepdims=True)
    assert (np.abs(np.asarray(ours) - theirs) < 5e-4 * size).all()


def zones(problem: Problem, force: np.ndarray) -> dict[str, np.ndarray]:
    """Which contacts (N, C) are open, stick and slip."""
    normal, *tangents = force[:, ROWS - 3 * CONTACTS :].reshape(PROBLEMS, 3, CONTACTS).transpose(1, 0, 2)
    edge = np.isclose(np.hypot(*tangents), problem.friction * normal) & (normal > 0)
    return {"open": normal == 0, "slip": edge, "stick": (normal > 0) & ~edge}


@pytest.mark.parametrize("contacts", [0, CONTACTS])
def test_all_reach_the_minimum_also_those_that_go_on_in_groups(contacts: int) -> None:
    given = problems(contacts)
    single = Problem(*(jnp.asarray(array, jnp.float32) for array in given))
    theirs = minima(contacts)
    solved = jax.jit(jax.vmap(minimum))
    acceleration, residual = solved(*single)
    close(acceleration, theirs)
    exactly = np.einsum("nri,ni->nr", given.jacobian, theirs) - given.aim
    robots = [Problem(*(array[i] for array in given)) for i in range(PROBLEMS)]
    force = np.stack([forces(robot, at) for robot, at in zip(robots, exactly)])
    ours = np.asarray(
        jax.vmap(lambda *problem: solver.pushed(Problem(*problem[:-1]), problem[-1]).force)(*single, residual)
    )
    assert (np.abs(ours - force) < 1e-3 * force.max(axis=-1, keepdims=True) + 1e-2).all() and (force[-1] > 0).sum() > 3
    if contacts:
        assert {name: int(zone.sum()) > 20 for name, zone in zones(given, force).items()} == dict.fromkeys(
            ("open", "slip", "stick"), True
        )
    # From the solution, rounded, it stays there: where the cost cannot tell any more.
    close(solved(*single._replace(warm=acceleration))[0], theirs)
    close(jax.jit(minimum)(*(array[7] for array in single))[0], theirs[7])
    shared = (None, 0, 0, None, 0, 0, 0, None)
    same = single._replace(jacobian=single.jacobian[3], mass=single.mass[3], friction=single.friction[3])
    mixed = np.asarray(jax.jit(jax.vmap(minimum, in_axes=shared))(*same)[0])
    np.testing.assert_allclose(mixed[3], np.asarray(acceleration)[3], rtol=1e-4, atol=1e-3)


def test_the_forces_fall_as_the_solver_says() -> None:
    """Of every zone: what Newton's method takes for the Hessian, against differences."""
    given = problems()
    draw = np.random.default_rng(2)
    residual, change = (100 * draw.normal(size=(PROBLEMS, ROWS)) for _ in range(2))
    for i in range(PROBLEMS):
        robot = Problem(*(array[i] for array in given))
        now = solver.pushed(Problem(*map(jnp.asarray, robot)), jnp.asarray(residual[i]))
        np.testing.assert_allclose(now.force, forces(robot, residual[i]), rtol=1e-4, atol=1e-2)
        ahead, behind = (forces(robot, residual[i] + sign * 1e-6 * change[i]) for sign in (1, -1))
        turned = np.asarray(now.turned(jnp.stack([change[i]] * 2, axis=1)), np.float64)
        bend = -(ahead - behind) @ change[i] / 2e-6
        np.testing.assert_allclose((np.asarray(now.weight)[:, None] * turned**2).sum(axis=0), bend, rtol=1e-3)


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
