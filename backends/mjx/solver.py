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
from mujoco import mjx

ITERATIONS, LINE_SEARCH = 30, 8
"""Most Newton iterations, and steps of each one's line search. Native MuJoCo takes up to about ten iterations when feet land
or slip; stopping at four throws robots into the air."""

TOGETHER, GROUPS = 3, 8
"""After so many iterations the robots that are not done go on in groups of one in so many of all."""

_NOISE = 2e-5
"""A gradient that is this small a part of the forces that it is the sum of is zero: float32 has 7 digits."""


class Problem(NamedTuple):
    """Of one robot, or of all with another axis in front: the accelerations a (nv,) that minimize
    (a - free)^T mass (a - free) / 2 + sum_i force_i^2 / (2 stiffness_i), with the forces that r = jacobian a - aim calls for.

    Of the R rows the last 3 C are contacts with friction, each its normal and two tangents of the same stiffness: their force
    is the point of the friction cone that is nearest to -stiffness r. Any other row pushes, -stiffness min(0, r).
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
    done: jax.Array  # ()


class Pushed(NamedTuple):
    """The constraints of one robot at some residuals."""

    force: jax.Array  # (R,)
    scalar: jax.Array  # (R - 3 C,) by how much a row's force falls as its residual grows
    block: jax.Array  # (C, 3, 3) the same of a contact's rows

    def fall(self, change: jax.Array) -> jax.Array:
        """By how much the forces fall, to first order, as the residuals grow by ``change`` (R, ...)."""
        split, count = len(self.scalar), len(self.block)
        rows, contacts = change[:split], change[split:].reshape(count, 3, *change.shape[1:])
        ones = (1,) * (change.ndim - 1)
        scalar = self.scalar.reshape(-1, *ones) * rows
        block = jnp.sum(self.block.reshape(count, 3, 3, *ones) * contacts[:, None], axis=2)
        return jnp.concatenate([scalar, block.reshape(3 * count, *change.shape[1:])])


def solve(model: mjx.Model, data: mjx.Data) -> mjx.Data:
    """``data`` of one robot with the accelerations that its constraints allow, as ``mjx.solve``, for limits of joints, and
    contacts whose friction cone is a pyramid, or elliptic and the same along both tangents."""
    own = data._impl
    assert own.ne == 0 and own.nf == 0, "no equality constraints and no friction of joints"
    elliptic = model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    assert not elliptic or (own.contact.dim == 3).all(), "sliding friction alone"
    problem = Problem(
        jacobian=own.efc_J,
        stiffness=own.efc_D,
        aim=own.efc_aref,
        mass=mjx.full_m(model, data),
        free=data.qacc_smooth,
        effort=jnp.linalg.norm(data.qfrc_smooth),
        warm=data.qacc_warmstart,
        friction=own.contact.friction[:, 0] if elliptic else jnp.zeros(0),
    )
    acceleration, residual = minimum(*problem)
    force = pushed(problem, residual).force
    changes: dict[str, Any] = {
        "qacc": acceleration,
        "qfrc_constraint": own.efc_J.T @ force,
        "_impl.efc_force": force,
    }
    return data.tree_replace(changes)


def pushed(problem: Problem, residual: jax.Array) -> Pushed:
    """The constraints of one robot at residuals (R,).

    A contact's residual is in one of three zones: its force is zero, or it sticks, in the inside of the friction cone, or it
    slips, on the cone's surface. There the force depends on how far the residual is along the cone, and on the direction of
    slip; as that turns, the force turns with it.
    """
    split = len(residual) - 3 * len(problem.friction)
    active = residual[:split] < 0
    scalar = jnp.where(active, problem.stiffness[:split], 0.0)
    contact, friction = residual[split:].reshape(-1, 3), problem.friction
    stiffness = problem.stiffness[split:].reshape(-1, 3)[:, 0]
    normal, tangents = contact[:, 0], contact[:, 1:]
    speed = jnp.sqrt(jnp.sum(tangents**2, axis=-1))
    sticks = speed <= -friction * normal
    slips = ~sticks & (normal < friction * speed)
    speed = jnp.where(slips, speed, 1.0)
    slip = tangents / speed[:, None]
    along = jnp.concatenate([jnp.ones_like(slip[:, :1]), -friction[:, None] * slip], axis=-1)
    across = jnp.stack([jnp.zeros_like(speed), -slip[:, 1], slip[:, 0]], axis=-1)
    amount = stiffness * (friction * speed - normal) / (1 + friction**2)
    slipping = (stiffness / (1 + friction**2))[:, None, None] * _square(along)
    turning = (amount * friction / speed)[:, None, None] * _square(across)
    stuck = jnp.where(sticks, stiffness, 0.0)
    force = jnp.where(slips[:, None], amount[:, None] * along, -stuck[:, None] * contact)
    block = jnp.where(slips[:, None, None], slipping + turning, stuck[:, None, None] * jnp.eye(3))
    return Pushed(jnp.concatenate([-scalar * residual[:split], force.reshape(-1)]), scalar, block)


def _square(vectors: jax.Array) -> jax.Array:
    """Of each vector (C, 3) its product with itself, (C, 3, 3)."""
    return vectors[:, :, None] * vectors[:, None, :]


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
        return residual, apart @ problem.mass @ apart + jnp.sum(
            pushed(problem, residual).force ** 2 / problem.stiffness
        )

    (warm, cost), (cold, other) = residual_and_cost(problem.warm), residual_and_cost(problem.free)
    better = cost < other
    return Guess(jnp.where(better, problem.warm, problem.free), jnp.where(better, warm, cold), jnp.array(False))


def _step(problem: Problem, guess: Guess) -> Guess:
    """One iteration; no change to a guess that is done. It is when the forces after a full step are those that the step
    counted on: so they are, exactly, for as long as the same rows push and no contact slips."""
    jacobian, mass = problem.jacobian, problem.mass
    now = pushed(problem, guess.residual)
    inertial, held = mass @ (guess.acceleration - problem.free), jacobian.T @ now.force
    gradient = inertial - held
    hessian = mass + jacobian.T @ now.fall(jacobian)
    step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(hessian), gradient)
    change = jacobian @ step
    full = pushed(problem, guess.residual + change).force
    left = jnp.linalg.norm(jacobian.T @ (full - (now.force - now.fall(change))))
    exact = left < _NOISE * (problem.effort + jnp.linalg.norm(jacobian.T @ full))
    length = _minimum_along(problem, guess.residual, change, step @ inertial, step @ mass @ step)
    length = jnp.where(exact, 1.0, length)
    noise = jnp.linalg.norm(gradient) < _NOISE * (problem.effort + jnp.linalg.norm(held))
    keep = lambda old, new: jnp.where(guess.done, old, new)  # noqa: E731
    return Guess(
        keep(guess.acceleration, guess.acceleration + length * step),
        keep(guess.residual, guess.residual + length * change),
        guess.done | exact | noise,
    )


def _minimum_along(
    problem: Problem, residual: jax.Array, change: jax.Array, slope: jax.Array, curvature: jax.Array
) -> jax.Array:
    """How far to go in a direction, in which the residuals (R,) change by ``change`` (R,) and the inertial part of the cost
    by ``slope`` and ``curvature``: where the cost's slope, which only grows, is zero. Newton's method within a bracket."""

    def closer(_: Any, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        length, low, high = carry
        at = pushed(problem, residual + length * change)
        rise = slope + length * curvature - at.force @ change
        low, high = jnp.where(rise < 0, length, low), jnp.where(rise < 0, high, length)
        step = length - rise / (curvature + change @ at.fall(change))
        middle = jnp.where(high < jnp.inf, (low + high) / 2, step)
        return jnp.where((step > low) & (step < high), step, middle), low, high

    one, zero, infinite = (jnp.asarray(value, residual.dtype) for value in (1.0, 0.0, jnp.inf))
    return jax.lax.fori_loop(0, LINE_SEARCH, closer, (one, zero, infinite))[0]
