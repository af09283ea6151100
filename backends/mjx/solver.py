"""Contact and limit forces by Newton's method, in float32.

MJX on JAX accepts a step of its solver if the cost falls. With contacts this stiff the cost of a standing robot is some
40,000, of which float32 holds 0.004: from the last physics step's accelerations, which are nearly right, no step is
accepted, and the forces are left a few per cent wrong. A robot that should stand creeps. Here slopes decide, not costs.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from mujoco import mjx

ITERATIONS, LINE_SEARCH = 20, 8
"""Most Newton iterations, and steps of each one's line search. Native MuJoCo takes up to about ten iterations when feet land
or slip; stopping at four throws robots into the air. The loop ends when all robots are done, so the bound costs nothing."""

_NOISE = 2e-6
"""A gradient that is this small a part of the forces that it is the sum of is zero: float32 has 7 digits."""


def solve(model: mjx.Model, data: mjx.Data) -> mjx.Data:
    """``data`` of one robot with the accelerations that its constraints allow, as ``mjx.solve``, for constraints that only
    push: limits of joints, and contacts with pyramidal friction.

    Over accelerations a (nv,) it minimizes (a - a0)^T M (a - a0) / 2 + sum_i D_i min(0, r_i)^2 / 2 with r = J a - aref, a
    quadratic function for as long as the same constraints push. A full step that ends with those that it began with
    has therefore found the minimum.
    """
    own = data._impl
    assert own.ne == 0 and own.nf == 0, "no equality constraints and no friction of joints"
    jacobian, stiffness, mass = own.efc_J, own.efc_D, mjx.full_m(model, data)
    free = data.qacc_smooth
    effort = jnp.linalg.norm(data.qfrc_smooth)

    def residual_and_cost(acceleration: jax.Array) -> tuple[jax.Array, jax.Array]:
        residual = jacobian @ acceleration - own.efc_aref
        apart = acceleration - free
        return residual, apart @ mass @ apart + jnp.sum(stiffness * jnp.minimum(residual, 0.0) ** 2)

    def improve(carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        acceleration, residual, _, count = carry
        pushing = residual < 0
        weight = jnp.where(pushing, stiffness, 0.0)
        inertial, pushed = mass @ (acceleration - free), jacobian.T @ (weight * residual)
        gradient = inertial + pushed
        hessian = mass + (jacobian.T * weight) @ jacobian
        step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(hessian), gradient)
        change = jacobian @ step
        exact = jnp.all((residual + change < 0) == pushing)
        length = _minimum_along(residual, change, stiffness, step @ inertial, step @ mass @ step)
        length = jnp.where(exact, 1.0, length)
        noise = jnp.linalg.norm(gradient) < _NOISE * (effort + jnp.linalg.norm(pushed))
        return acceleration + length * step, residual + length * change, exact | noise, count + 1

    warm, cold = (residual_and_cost(start) for start in (data.qacc_warmstart, free))
    better = warm[1] < cold[1]
    begin = jnp.where(better, data.qacc_warmstart, free), jnp.where(better, warm[0], cold[0])
    acceleration, residual, _, _ = jax.lax.while_loop(
        lambda carry: ~carry[2] & (carry[3] < ITERATIONS), improve, (*begin, jnp.array(False), 0)
    )
    force = -stiffness * jnp.minimum(residual, 0.0)
    changes: dict[str, Any] = {
        "qacc": acceleration,
        "qfrc_constraint": jacobian.T @ force,
        "_impl.efc_force": force,
    }
    return data.tree_replace(changes)


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
        return (
            jnp.where((step > low) & (step < high), step, jnp.where(high < jnp.inf, (low + high) / 2, step)),
            low,
            high,
        )

    one, zero, infinite = (jnp.asarray(value, residual.dtype) for value in (1.0, 0.0, jnp.inf))
    return jax.lax.fori_loop(0, LINE_SEARCH, closer, (one, zero, infinite))[0]
