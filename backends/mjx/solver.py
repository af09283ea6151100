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
import mujoco
import numpy as np
from mujoco import mjx

ITERATIONS, LINE_SEARCH = 30, 8
"""Most Newton iterations, and steps of each one's line search. Native MuJoCo takes up to about twenty iterations when feet
land or slip; stopping at four throws robots into the air."""

TOGETHER, GROUPS, AT_ONCE = 3, 8, 2
"""After so many iterations of all, robots that are not done go on in groups of one in so many of all, so many at once."""

_NOISE = 3e-5
"""A gradient that is this small a part of the forces that it is the sum of is zero. Float32 leaves up to
2e-5 of them where contacts slip, whatever the number of iterations."""


class Problem(NamedTuple):
    """Of one robot, or of all with another axis in front: the accelerations a (nv,) that minimize
    (a - free)^T mass (a - free) / 2 + sum_i force_i^2 / (2 stiffness_i), with the forces that r = jacobian a - aim calls for.

    The last 3 C of the R rows are contacts with friction: all normals, all first tangents, all second ones, of the same
    stiffness. A contact's force is the point of its friction cone that is nearest to -stiffness r. Any other row pushes:
    -stiffness min(0, r).
    """

    jacobian: jax.Array  # (R, nv)
    stiffness: jax.Array  # (R,)
    aim: jax.Array  # (R,)
    mass: jax.Array  # (nv, nv)
    free: jax.Array  # (nv,) without constraints
    effort: jax.Array  # () size of the forces that are not the constraints'
    warm: jax.Array  # (nv,) of the physics step before
    friction: jax.Array  # (C,) coefficients


class Guess(NamedTuple):
    acceleration: jax.Array  # (nv,)
    residual: jax.Array  # (R,)
    left: jax.Array  # () iterations that it may still take: none when it is done


class Pushed(NamedTuple):
    """The constraints of one robot at some residuals (R,).

    A contact is in one of three zones. It is open, without force. Or it sticks, with its force inside the friction cone. Or it
    slips, with its force on the cone's surface: that depends on how far along the cone the residual is, and turns with
    the direction of slip.
    """

    force: jax.Array  # (R,)
    weight: jax.Array  # (R,) by how much the forces fall, to first order, as the rows of :meth:`turned` grow
    cone: jax.Array  # (C,) the coefficient of friction where a contact slips, 0 elsewhere
    slip: jax.Array  # (2, C) its direction, a unit vector

    def turned(self, rows: jax.Array) -> jax.Array:
        """``rows`` (R, ...) turned so that they do not depend on each other: of contacts along the cone, across the slip, and
        along the slip."""
        count = len(self.cone)
        each = (count, *[1] * (rows.ndim - 1))
        cone, x, y = (array.reshape(each) for array in (self.cone, *self.slip))
        others, normal, first, second = _parts(rows, count)
        along = x * first + y * second
        return jnp.concatenate([others, normal - cone * along, x * second - y * first, along])


def _parts(rows: jax.Array, count: int) -> tuple[jax.Array, ...]:
    """Of ``rows`` (R, ...) those that only push, and of ``count`` contacts normals, first and second tangents."""
    split = len(rows) - 3 * count
    return rows[:split], *(rows[split + i * count : split + (i + 1) * count] for i in range(3))


def pushed(problem: Problem, residual: jax.Array) -> Pushed:
    """The constraints of one robot at residuals (R,)."""
    friction, count = problem.friction, len(problem.friction)
    others, normal, first, second = _parts(residual, count)
    pushes, stiffness, _, _ = _parts(problem.stiffness, count)
    speed = jnp.sqrt(first**2 + second**2)
    sticks = speed <= -friction * normal
    slips = ~sticks & (normal < friction * speed)
    speed = jnp.where(slips, speed, 1.0)
    x, y = jnp.where(slips, first / speed, 1.0), jnp.where(slips, second / speed, 0.0)
    cone, stuck = jnp.where(slips, friction, 0.0), jnp.where(sticks, stiffness, 0.0)
    softened = jnp.where(slips, stiffness / (1 + friction**2), 0.0)
    load = softened * (friction * speed - normal)  # where it slips
    pushes = jnp.where(others < 0, pushes, 0.0)
    return Pushed(
        force=jnp.concatenate(
            [
                -pushes * others,
                load - stuck * normal,
                -cone * load * x - stuck * first,
                -cone * load * y - stuck * second,
            ]
        ),
        weight=jnp.concatenate([pushes, softened + stuck, cone * load / speed + stuck, stuck]),
        cone=cone,
        slip=jnp.stack([x, y]),
    )


def solve(model: mjx.Model, data: mjx.Data) -> mjx.Data:
    """``data`` of one robot with the accelerations that its constraints allow, as ``mjx.solve``, for limits of joints, and
    contacts whose friction cone is a pyramid, or elliptic and the same along both tangents."""
    own = data._impl
    assert own.ne == 0 and own.nf == 0, "no equality constraints and no friction of joints"
    order = np.arange(len(own.efc_D))
    friction = jnp.zeros(0)
    if model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC:
        assert (own.contact.dim == 3).all(), "sliding friction alone"
        friction = own.contact.friction[:, 0]
        split = len(order) - 3 * len(friction)  # limits come first, then the contacts one by one
        order[split:] = order[split:].reshape(-1, 3).T.reshape(-1)
    problem = Problem(
        jacobian=own.efc_J[order],
        stiffness=own.efc_D[order],
        aim=own.efc_aref[order],
        mass=mjx.full_m(model, data),
        free=data.qacc_smooth,
        effort=jnp.linalg.norm(data.qfrc_smooth),
        warm=data.qacc_warmstart,
        friction=friction,
    )
    acceleration, residual = minimum(*problem)
    force = pushed(problem, residual).force
    changes: dict[str, Any] = {
        "qacc": acceleration,
        "qfrc_constraint": problem.jacobian.T @ force,
        "_impl.efc_force": force[np.argsort(order)],
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
        chosen = jnp.argsort(guess.left == 0)[:group]  # those that are not done come first
        part = _improved(
            Problem(*(array[chosen] for array in problem)), Guess(*(array[chosen] for array in guess)), AT_ONCE
        )
        return Guess(*(array.at[chosen].set(new) for array, new in zip(guess, part)))

    guess = jax.lax.while_loop(lambda guess: (guess.left > 0).any(), next_group, guess)
    return guess.acceleration, guess.residual


def _improved(problem: Problem, guess: Guess, most: int) -> Guess:
    """At ``most`` so many iterations of N robots, fewer when all are done."""

    def again(carry: tuple[Guess, jax.Array]) -> tuple[Guess, jax.Array]:
        guess, count = carry
        return jax.vmap(_step)(problem, guess), count + 1

    def more(carry: tuple[Guess, jax.Array]) -> jax.Array:
        return (carry[0].left > 0).any() & (carry[1] < most)

    return jax.lax.while_loop(more, again, (guess, jnp.array(0)))[0]


def _begin(problem: Problem) -> Guess:
    """From the accelerations of the step before, or from those without constraints, whichever costs less."""

    def residual_and_cost(acceleration: jax.Array) -> tuple[jax.Array, jax.Array]:
        residual = problem.jacobian @ acceleration - problem.aim
        apart = acceleration - problem.free
        return residual, apart @ problem.mass @ apart + jnp.sum(
            pushed(problem, residual).force ** 2 / problem.stiffness
        )

    (warm, cost), (cold, other) = residual_and_cost(problem.warm), residual_and_cost(problem.free)
    better = cost < other
    return Guess(jnp.where(better, problem.warm, problem.free), jnp.where(better, warm, cold), jnp.array(ITERATIONS))


def _step(problem: Problem, guess: Guess) -> Guess:
    """One iteration; no change to a guess that is done. For as long as the same rows push and no contact slips, the function is
    quadratic, and a full step has found the minimum; near it, it is nearly so. What tells is the gradient after that step."""
    jacobian, mass = problem.jacobian, problem.mass
    now = pushed(problem, guess.residual)
    inertial = mass @ (guess.acceleration - problem.free)
    gradient = inertial - jacobian.T @ now.force
    turned = now.turned(jacobian)
    hessian = mass + (turned.T * now.weight) @ turned
    step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(hessian), gradient)
    change, pull = jacobian @ step, mass @ step
    push = jacobian.T @ pushed(problem, guess.residual + change).force
    solved = jnp.linalg.norm(inertial + pull - push) < _NOISE * (problem.effort + jnp.linalg.norm(push))
    length = _minimum_along(problem, guess.residual, change, step @ inertial, step @ pull)
    length = jnp.where(solved, 1.0, length)
    keep = lambda old, new: jnp.where(guess.left > 0, new, old)  # noqa: E731
    return Guess(
        keep(guess.acceleration, guess.acceleration + length * step),
        keep(guess.residual, guess.residual + length * change),
        jnp.where(solved, 0, jnp.maximum(guess.left - 1, 0)),
    )


def _minimum_along(
    problem: Problem, residual: jax.Array, change: jax.Array, slope: jax.Array, curvature: jax.Array
) -> jax.Array:
    """How far to go in a direction, in which the residuals (R,) change by ``change`` (R,) and the inertial part of the cost
    by ``slope`` and ``curvature``: where the cost's slope, which only grows, is zero. Newton's method within a bracket."""

    def closer(_: Any, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        length, low, high = carry
        at = pushed(problem, residual + length * change)
        rise = slope + length * curvature - jnp.sum(at.force * change)
        low, high = jnp.where(rise < 0, length, low), jnp.where(rise < 0, high, length)
        step = length - rise / (curvature + jnp.sum(at.weight * at.turned(change) ** 2))
        middle = jnp.where(high < jnp.inf, (low + high) / 2, step)
        return jnp.where((step > low) & (step < high), step, middle), low, high

    one, zero, infinite = (jnp.asarray(value, residual.dtype) for value in (1.0, 0.0, jnp.inf))
    return jax.lax.fori_loop(0, LINE_SEARCH, closer, (one, zero, infinite))[0]
