"""The reward terms (table 2 of the paper, and four that its released code adds). A term is a function and a weight.

Each function returns (num_envs,) in the units of its formula; its keyword parameters are those of the task's entry
(:class:`locoenvs.tasks.entries.Term`) of the same name, whose weight is per second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from array_api_compat import array_namespace
from pydantic import Field

from locoenvs.mdp.kinematics import sphere_centers
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import projected_gravity, rotate
from locoenvs.tasks.robot import NonNegative, Positive
from locoenvs.tasks.task import Fraction
from locoenvs.tasks.vocabulary import REWARD_TERMS, reward_term

Width = Annotated[float, Field(ge=1e-6, le=1e6)]


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

    def foot_position(self) -> Array:
        """Where the feet's contact spheres are, (N, F, 3) m, world."""
        robot, readout = self.mdp.task.robot, self.readout
        sphere_of = [sphere.body for sphere in robot.spheres]
        centers = sphere_centers(robot, readout.joint_position, self.mdp.tree)
        feet = self.mdp.xp.stack([centers[:, sphere_of.index(foot)] for foot in robot.feet], axis=1)
        return readout.base_position[:, None, :] + rotate(readout.base_quaternion[:, None, :], feet)

    def ground_height(self, x: Array, y: Array) -> Array:
        """The ground's height, m, at world points ``x``, ``y`` m of any equal shape."""
        ground = self.mdp.height_map
        return ground_height(self.mdp.ground, ground.origin, ground.cell, x, y)


def squared_norm(vectors: Array) -> Array:
    """The sums (...) of the squares of vectors (..., K)."""
    if vectors.shape[-1] <= 128 and (kernels := compiled.kernels(vectors)):  # numpy adds up more in another order
        return kernels.squared_norm(vectors.reshape(-1, vectors.shape[-1])).reshape(vectors.shape[:-1])
    xp = array_namespace(vectors)
    return xp.sum(vectors * vectors, axis=-1)


@reward_term()
def linear_velocity_tracking(s: Step, width: Width = 0.25) -> Array:
    """exp(-|v*_xy - v_xy|^2 / width), base frame; ``width`` m^2/s^2."""
    xp = s.mdp.xp
    error = s.command[:, :2] - s.readout.base_linear_velocity[:, :2]
    return xp.exp(-squared_norm(error) / width)


@reward_term()
def angular_velocity_tracking(s: Step, width: Width = 0.25) -> Array:
    """exp(-(w*_z - w_z)^2 / width), base frame; ``width`` rad^2/s^2."""
    error = s.command[:, 2] - s.readout.base_angular_velocity[:, 2]
    return s.mdp.xp.exp(-error * error / width)


@reward_term()
def linear_velocity_penalty(s: Step) -> Array:
    """v_z^2, base frame."""
    return s.readout.base_linear_velocity[:, 2] ** 2


@reward_term()
def angular_velocity_penalty(s: Step) -> Array:
    """|w_xy|^2, base frame."""
    return squared_norm(s.readout.base_angular_velocity[:, :2])


@reward_term()
def joint_motion(s: Step) -> Array:
    """|ddq|^2, by finite difference over the control step."""
    return squared_norm((s.readout.joint_velocity - s.last_joint_velocity) / s.mdp.task.timing.control_dt)


@reward_term()
def joint_torques(s: Step) -> Array:
    """|tau|^2."""
    return squared_norm(s.readout.joint_torque)


@reward_term()
def action_rate(s: Step) -> Array:
    """|a - a_prev|^2."""
    return squared_norm(s.action - s.last_action)


@reward_term()
def collisions(s: Step, force: Positive = 0.1, stumble_ratio: Positive = 5.0) -> Array:
    """Number of penalized bodies in contact plus number of feet that push against a vertical face.

    A body touches when its contact force exceeds ``force`` N; a foot stumbles when its horizontal force exceeds
    ``stumble_ratio`` times its vertical force.
    """
    xp, forces = s.mdp.xp, s.readout.contact_force
    body = squared_norm(forces[:, s.mdp.penalized]) > force**2
    foot = forces[:, s.mdp.feet]
    stumble = squared_norm(foot[..., :2]) > (stumble_ratio * foot[..., 2]) ** 2
    return xp.sum(xp.astype(body, xp.float32), axis=-1) + xp.sum(xp.astype(stumble, xp.float32), axis=-1)


@reward_term()
def feet_air_time(s: Step, target: NonNegative = 0.5, minimum_command: NonNegative = 0.1) -> Array:
    """Sum over feet at first contact of (t_air - ``target`` s), while the command asks to move faster than ``minimum_command`` m/s."""
    xp = s.mdp.xp
    moving = squared_norm(s.command[:, :2]) > minimum_command**2
    landed = xp.where(s.first_contact, s.air_time - target, xp.zeros_like(s.air_time))
    paid = xp.sum(landed, axis=-1)
    return xp.where(moving, paid, xp.zeros_like(paid))


@reward_term()
def orientation(s: Step) -> Array:
    """|g_xy|^2 of the projected gravity."""
    return squared_norm(projected_gravity(s.readout.base_quaternion)[:, :2])


@reward_term()
def joint_limits(s: Step, soft_limit: Fraction = 1.0) -> Array:
    """How far the joints are beyond their soft limits, summed, rad; ``soft_limit`` is the share of a joint's range within them."""
    xp, q = s.mdp.xp, s.readout.joint_position
    lower, upper = s.mdp.soft_limits(soft_limit)
    beyond = xp.where(q < lower, lower - q, xp.zeros_like(q))
    beyond = beyond + xp.where(q > upper, q - upper, xp.zeros_like(q))
    return xp.sum(beyond, axis=-1)


@reward_term(after_clip=True)
def termination(s: Step) -> Array:
    """1 when the episode fails; a time-out is not a failure."""
    return s.mdp.xp.astype(s.terminated, s.mdp.xp.float32)


@reward_term()
def single_foot(s: Step) -> Array:
    """1 while exactly one foot touches the ground."""
    xp = s.mdp.xp
    return xp.astype(xp.sum(xp.astype(s.foot_contact, xp.int32), axis=-1) == 1, xp.float32)


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
    for name, term in step.mdp.reward_terms.items():
        weight = term.weight * task.timing.control_dt
        factor = penalty if weight < 0 else 1.0
        if name == "termination" and schedule is not None and schedule.termination_last:
            factor = xp.astype(xp.asarray(penalty) >= 1.0, xp.float32)
        terms[name] = REWARD_TERMS[name].function(step, **term.parameters) * (weight * factor)
    return terms
