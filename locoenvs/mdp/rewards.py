"""The reward terms (table 2 of the paper, and four that its released code adds). A term is a function and a weight.

Each function returns (num_envs,) in the units of its formula; the weight of the same name in
:class:`locoenvs.tasks.task.RewardWeights` is per second.
"""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Readout
from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import projected_gravity


@dataclass(frozen=True)
class Step:
    """What the terms of one control step are computed from."""

    mdp: Mdp
    readout: Readout
    command: Array  # (N, 4)
    action: Array  # (N, J)
    last_action: Array  # (N, J)
    last_joint_velocity: Array  # (N, J) rad/s
    air_time: Array  # (N, F) s, including this step
    first_contact: Array  # (N, F) bool
    foot_contact: Array  # (N, F) bool, now
    terminated: Array  # (N,) bool


def squared_norm(vectors: Array) -> Array:
    """The sums (...) of the squares of vectors (..., K)."""
    if vectors.shape[-1] <= 128 and (kernels := compiled.kernels(vectors)):  # numpy adds up more in another order
        return kernels.squared_norm(vectors.reshape(-1, vectors.shape[-1])).reshape(vectors.shape[:-1])
    xp = array_namespace(vectors)
    return xp.sum(vectors * vectors, axis=-1)


def linear_velocity_tracking(s: Step) -> Array:
    """exp(-|v*_xy - v_xy|^2 / width), base frame."""
    xp = s.mdp.xp
    error = s.command[:, :2] - s.readout.base_linear_velocity[:, :2]
    return xp.exp(-squared_norm(error) / s.mdp.task.rewards.tracking_width)


def angular_velocity_tracking(s: Step) -> Array:
    """exp(-(w*_z - w_z)^2 / width), base frame."""
    error = s.command[:, 2] - s.readout.base_angular_velocity[:, 2]
    return s.mdp.xp.exp(-error * error / s.mdp.task.rewards.tracking_width)


def linear_velocity_penalty(s: Step) -> Array:
    """v_z^2, base frame."""
    return s.readout.base_linear_velocity[:, 2] ** 2


def angular_velocity_penalty(s: Step) -> Array:
    """|w_xy|^2, base frame."""
    return squared_norm(s.readout.base_angular_velocity[:, :2])


def joint_motion(s: Step) -> Array:
    """|ddq|^2, by finite difference over the control step."""
    return squared_norm((s.readout.joint_velocity - s.last_joint_velocity) / s.mdp.task.timing.control_dt)


def joint_torques(s: Step) -> Array:
    """|tau|^2."""
    return squared_norm(s.readout.joint_torque)


def action_rate(s: Step) -> Array:
    """|a - a_prev|^2."""
    return squared_norm(s.action - s.last_action)


def collisions(s: Step) -> Array:
    """Number of penalized bodies in contact plus number of feet that push against a vertical face."""
    xp, config = s.mdp.xp, s.mdp.task.rewards
    force = s.readout.contact_force
    body = squared_norm(force[:, s.mdp.penalized]) > config.collision_force**2
    foot = force[:, s.mdp.feet]
    stumble = squared_norm(foot[..., :2]) > (config.stumble_ratio * foot[..., 2]) ** 2
    return xp.sum(xp.astype(body, xp.float32), axis=-1) + xp.sum(xp.astype(stumble, xp.float32), axis=-1)


def feet_air_time(s: Step) -> Array:
    """Sum over feet at first contact of (t_air - target), while the command asks to move."""
    xp, config = s.mdp.xp, s.mdp.task.rewards
    moving = squared_norm(s.command[:, :2]) > config.air_time_minimum_command**2
    landed = xp.where(s.first_contact, s.air_time - config.air_time_target, xp.zeros_like(s.air_time))
    paid = xp.sum(landed, axis=-1)
    return xp.where(moving, paid, xp.zeros_like(paid))


def orientation(s: Step) -> Array:
    """|g_xy|^2 of the projected gravity."""
    return squared_norm(projected_gravity(s.readout.base_quaternion)[:, :2])


def joint_limits(s: Step) -> Array:
    """How far the joints are beyond their soft limits, summed, rad."""
    xp, q = s.mdp.xp, s.readout.joint_position
    beyond = xp.where(q < s.mdp.soft_lower, s.mdp.soft_lower - q, xp.zeros_like(q))
    beyond = beyond + xp.where(q > s.mdp.soft_upper, q - s.mdp.soft_upper, xp.zeros_like(q))
    return xp.sum(beyond, axis=-1)


def termination(s: Step) -> Array:
    """1 when the episode fails; a time-out is not a failure."""
    return s.mdp.xp.astype(s.terminated, s.mdp.xp.float32)


def single_foot(s: Step) -> Array:
    """1 while exactly one foot touches the ground."""
    xp = s.mdp.xp
    return xp.astype(xp.sum(xp.astype(s.foot_contact, xp.int32), axis=-1) == 1, xp.float32)


_TERMS = {
    term.__name__: term
    for term in (
        linear_velocity_tracking,
        angular_velocity_tracking,
        linear_velocity_penalty,
        angular_velocity_penalty,
        joint_motion,
        joint_torques,
        action_rate,
        collisions,
        feet_air_time,
        orientation,
        joint_limits,
        termination,
        single_foot,
    )
}


def penalty_factor(mdp: Mdp, clock: Array) -> Array | float:
    """() What penalties are multiplied by, for a ``clock`` () that counts control steps of training."""
    xp, schedule = mdp.xp, mdp.task.rewards.penalty_schedule
    if schedule is None:
        return 1.0
    grown = xp.astype(clock, xp.float32) * ((1 - schedule.start) / schedule.control_steps) + schedule.start
    return xp.where(grown < 1.0, grown, xp.ones_like(grown))


def disturbance_factor(mdp: Mdp, clock: Array) -> Array | float | None:
    """() What pushes are multiplied by, and the chance that a due command changes; None leaves both alone."""
    schedule = mdp.task.rewards.penalty_schedule
    return penalty_factor(mdp, clock) if schedule is not None and schedule.disturbances else None


def reward_terms(step: Step, clock: Array) -> dict[str, Array]:
    """The weighted terms of one control step, name -> (num_envs,); ``clock`` () counts control steps of training."""
    task, xp = step.mdp.task, step.mdp.xp
    schedule, penalty = task.rewards.penalty_schedule, penalty_factor(step.mdp, clock)
    terms = {}
    for name in step.mdp.reward_names:
        weight = getattr(task.rewards.weights, name) * task.timing.control_dt
        factor = penalty if weight < 0 else 1.0
        if name == "termination" and schedule is not None and schedule.termination_last:
            factor = xp.astype(xp.asarray(penalty) >= 1.0, xp.float32)
        terms[name] = _TERMS[name](step) * (weight * factor)
    return terms
