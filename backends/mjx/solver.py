"""Contact and limit forces by Newton's method, in float32.

MJX on JAX accepts a step of its solver if the cost falls. With contacts this stiff the cost of a standing robot is some
40,000, of which float32 holds 0.004: from the last physics step's accelerations, which are nearly right, no step is
accepted, and the forces are left a few per cent wrong. A robot that should stand creeps. Here slopes decide, not costs.

And most robots are done after a few steps while some stumble and take more: those go on in smaller groups.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from mujoco import mjx

ITERATIONS, LINE_SEARCH = 20, 8
"""Most Newton iterations, and steps of each one's line search. Native MuJoCo takes up to about ten iterations when feet land
or slip; stopping at four throws robots into the air."""

TOGETHER, GROUPS = 3, 8
"""After so many iterations the robots that are not done go on in groups of one in so many of all."""

_NOISE = 2e-6
"""A gradient that is this small a part of the forces that it is the sum of is zero: float32 has 7 digits."""


class Problem(NamedTuple):
    """Of one robot, or of all with another axis in front: the accelerations a (nv,) that minimize
    (a - free)^T mass (a - free) / 2 + sum_i stiffness_i min(0, r_i)^2 / 2, with r = jacobian a - aim."""

    jacobian: jax.Array  # (R, nv)
    stiffness: jax.Array  # (R,)
    aim: jax.Array  # (R,)
    mass: jax.Array  # (nv, nv)
    free: jax.Array  # (nv,) without constraints
    effort: jax.Array  # () size of the forces that are not the constraints'
    warm: jax.Array  # (nv,) of the physics step before


class Guess(NamedTuple):
    acceleration: jax.Array  # (nv,)
    residual: jax.Array  # (R,)
    done: jax.Array  # ()


def solve(model: mjx.Model, data: mjx.Data) -> mjx.Data:
    """``data`` of one robot with the accelerations that its constraints allow, as ``mjx.solve``, for constraints that only
    push: limits of joints, and contacts with pyramidal friction."""
    own = data._impl
    assert own.ne == 0 and own.nf == 0, "no equality constraints and no friction of joints"
    problem = Problem(
        jacobian=own.efc_J,
        stiffness=own.efc_D,
        aim=own.efc_aref,
        mass=mjx.full_m(model, data),
        free=data.qacc_smooth,
        effort=jnp.linalg.norm(data.qfrc_smooth),
        warm=data.qacc_warmstart,
    )
    acceleration, residual = minimum(*problem)
    force = -own.efc_D * jnp.minimum(residual, 0.0)
    changes: dict[str, Any] = {
        "qacc": acceleration,
        "qfrc_constraint": own.efc_J.T @ force,
        "_impl.efc_force": force,
    }
    return data.tree_replace(changes)


@jax.custom_batching.custom_vmap
def minimum(*problem: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The accelerations (nv,) that solve a :class:`Problem`, and its residuals (R,)."""
    acceleration, residual = _minima(Problem(*(array[None] for array in problem)))
    return acceleration[0], residual[0]


@minimum.def_vmap
def _of_all(
    size: int, mapped: list[bool], *problem: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], tuple[bool, bool]]:
    full = (a if own else jnp.broadcast_to(a, (size, *a.shape)) for a, own in zip(problem, mapped))
    return _minima(Problem(*full)), (True, True)


def _minima(problem: Problem) -> tuple[jax.Array, jax.Array]:
    """:func:`minimum` of N robots."""
    count = len(problem.free)
    group = min(count, max(GROUPS, count // GROUPS))
    guess = _improved(problem, jax.vmap(_begin)(problem), TOGETHER)

    def next_group(guess: Guess) -> Guess:
        chosen = jnp.argsort(guess.done)[:group]  # those that are not done come first
        part = _improved(
            Problem(*(array[chosen] for array in problem)),
            Guess(*(array[chosen] for array in guess)),
            ITERATIONS - TOGETHER,
        )
        part = part._replace(done=jnp.ones_like(part.done))
        return Guess(*(array.at[chosen].set(new) for array, new in zip(guess, part)))

    guess = jax.lax.while_loop(lambda guess: ~guess.done.all(), next_group, guess)
    return guess.acceleration, guess.residual


def _improved(problem: Problem, guess: Guess, most: int) -> Guess:
    """At ``most`` so many iterations of N robots, fewer when all are done."""

    def again(carry: tuple[Guess, jax.Array]) -> tuple[Guess, jax.Array]:
        guess, count = carry
        return jax.vmap(_step)(problem, guess), count + 1

    return jax.lax.while_loop(lambda carry: ~carry[0].done.all() & (carry[1] < most), again, (guess, jnp.array(0)))[0]


def _begin(problem: Problem) -> Guess:
    """From the accelerations of the step before, or from those without constraints, whichever costs less."""

    def residual_and_cost(acceleration: jax.Array) -> tuple[jax.Array, jax.Array]:
        residual = problem.jacobian @ acceleration - problem.aim
        apart = acceleration - problem.free
        return residual, apart @ problem.mass @ apart + jnp.sum(problem.stiffness * jnp.minimum(residual, 0.0) ** 2)

    (warm, cost), (cold, other) = residual_and_cost(problem.warm), residual_and_cost(problem.free)
    better = cost < other
    return Guess(jnp.where(better, problem.warm, problem.free), jnp.where(better, warm, cold), jnp.array(False))


def _step(problem: Problem, guess: Guess) -> Guess:
    """One iteration; no change to a guess that is done. For as long as the same constraints push, the function is
    quadratic: a full step that ends with those that it began with has found the minimum."""
    jacobian, stiffness, mass = problem.jacobian, problem.stiffness, problem.mass
    pushing = guess.residual < 0
    weight = jnp.where(pushing, stiffness, 0.0)
    inertial, pushed = mass @ (guess.acceleration - problem.free), jacobian.T @ (weight * guess.residual)
    gradient = inertial + pushed
    hessian = mass + (jacobian.T * weight) @ jacobian
    step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(hessian), gradient)
    change = jacobian @ step
    exact = jnp.all((guess.residual + change < 0) == pushing)
    length = _minimum_along(guess.residual, change, stiffness, step @ inertial, step @ mass @ step)
    length = jnp.where(exact, 1.0, length)
    noise = jnp.linalg.norm(gradient) < _NOISE * (problem.effort + jnp.linalg.norm(pushed))
    keep = lambda old, new: jnp.where(guess.done, old, new)  # noqa: E731
    return Guess(
        keep(guess.acceleration, guess.acceleration + length * step),
        keep(guess.residual, guess.residual + length * change),
        guess.done | exact | noise,
    )


def _minimum_along(
    residual: jax.Array, change: jax.Array, stiffness: jax.Array, slope: jax.Array, curvature: jax.Array
) -> jax.Array:
    """How far to go in a direction, in which the residuals (R,) change by ``change`` (R,) and the inertial part of the cost
    by ``slope`` and ``curvature``: where the cost's slope, which only grows, is zero. Newton's method within a bracket."""

    def closer(_: Any, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        length, low, high = carry
        at = residual + length * change
        weighted = jnp.where(at < 0, stiffness * change, 0.0)
        rise = slope + length * curvature + jnp.sum(weighted * at)
        low, high = jnp.where(rise < 0, length, low), jnp.where(rise < 0, high, length)
        step = length - rise / (curvature + jnp.sum(weighted * change))
        middle = jnp.where(high < jnp.inf, (low + high) / 2, step)
        return jnp.where((step > low) & (step < high), step, middle), low, high

    one, zero, infinite = (jnp.asarray(value, residual.dtype) for value in (1.0, 0.0, jnp.inf))
    return jax.lax.fori_loop(0, LINE_SEARCH, closer, (one, zero, infinite))[0]
