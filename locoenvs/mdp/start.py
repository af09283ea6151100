"""How an episode begins: where a robot stands, how fast it is, and what it is asked to do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from locoenvs.mdp import commands
from locoenvs.mdp.kinematics import sphere_centers
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.sensing import from_the_begin
from locoenvs.mdp.state import Episodes, Readout
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array, device_of
from locoenvs.numerics.rotation import from_heading, heading, rotate


def begin(mdp: Mdp, robot: Array, key: Array, number: Array, level: Array, column: Array) -> Episodes:
    """Robots at the beginning of the episode of that number, on the tile of that level and column."""
    xp, task, zero = mdp.xp, mdp.task, robot * 0

    def draw(purpose: rng.Purpose, count: int, low: float, high: float) -> Array:
        return rng.between(rng.uniform(key, number, zero, purpose, count), low, high)

    start = task.randomization.start
    center = mdp.tile_centers[level, column]
    xy = center[:, :2] + draw(rng.Purpose.START_POSITION, 2, -start.position, start.position)
    angle = draw(rng.Purpose.START_HEADING, 1, -math.pi, math.pi)[:, 0]
    quaternion = from_heading(angle if start.random_heading else angle * 0)
    velocity = draw(rng.Purpose.START_VELOCITY, 6, -start.velocity, start.velocity)
    joints = mdp.default_pose * draw(rng.Purpose.START_JOINTS, mdp.num_joints, *start.joint_scale)
    still, rest = xp.zeros_like(angle), xp.zeros_like(joints)

    def zeros(*shape: int) -> Array:
        return xp.zeros((robot.shape[0], *shape), dtype=xp.float32, device=device_of(mdp.default_pose))

    feet = len(task.robot.feet)
    readout = Readout(
        base_position=xp.concat([xy, _start_height(mdp, xy, quaternion, joints)[:, None]], axis=-1),
        base_quaternion=quaternion,
        base_linear_velocity=velocity[:, :3],
        base_angular_velocity=velocity[:, 3:],
        joint_position=joints,
        joint_velocity=rest,
        joint_torque=rest,
        contact_force=zeros(len(task.robot.contact_bodies), 3),
        foot_velocity=zeros(feet, 3),
        broken=still > 0,
    )
    command = commands.draw(mdp, key, number, zero)
    episodes = Episodes(
        robot=robot,
        key=key,
        number=number,
        step=zero,
        level=level,
        column=column,
        command=commands.steered(mdp, command, quaternion),
        last_action=rest,
        joint_velocity=rest,
        air_time=zeros(feet),
        contact=zeros(feet) > 0,
        start_position=xy,
        commanded_distance=still,
        sums=zeros(len(mdp.reward_terms)),
        readout=readout,
    )
    return dataclasses.replace(episodes, sensed=from_the_begin(mdp, episodes))


def begin_here(mdp: Mdp, episodes: Episodes) -> Episodes:
    """The next episodes of robots, where they are now: upright in the default pose, with the heading that they have, at rest. They keep
    their commands."""
    xp, before = mdp.xp, episodes.readout
    xy, quaternion = before.base_position[:, :2], from_heading(heading(before.base_quaternion))
    joints = xp.zeros_like(before.joint_position) + mdp.default_pose
    zeros: Callable[[Array], Array] = xp.zeros_like
    readout = Readout(
        base_position=xp.concat([xy, _start_height(mdp, xy, quaternion, joints)[:, None]], axis=-1),
        base_quaternion=quaternion,
        base_linear_velocity=zeros(before.base_linear_velocity),
        base_angular_velocity=zeros(before.base_angular_velocity),
        joint_position=joints,
        joint_velocity=zeros(joints),
        joint_torque=zeros(joints),
        contact_force=zeros(before.contact_force),
        foot_velocity=zeros(before.foot_velocity),
        broken=zeros(before.broken),
    )
    begun = dataclasses.replace(
        episodes,
        number=episodes.number + 1,
        step=zeros(episodes.step),
        last_action=zeros(joints),
        joint_velocity=zeros(joints),
        air_time=zeros(episodes.air_time),
        contact=zeros(episodes.contact),
        start_position=xy,
        commanded_distance=zeros(episodes.commanded_distance),
        sums=zeros(episodes.sums),
        readout=readout,
    )
    return dataclasses.replace(begun, sensed=from_the_begin(mdp, begun))


def _start_height(mdp: Mdp, xy: Array, quaternion: Array, joints: Array) -> Array:
    """The base's height at a start, (num_envs,) m: ``start_height`` above the ground below it, or as much higher as it takes
    for no sphere of the robot to be in the ground.

    Each sphere is held against the ground below points of its lower half, in the middle and on two rings.
    """
    xp, ground, robot = mdp.xp, mdp.height_map, mdp.task.robot
    turned = rotate(quaternion[:, None, :], sphere_centers(robot, joints, mdp.tree))
    x, y = xy[:, :1] + turned[..., 0], xy[:, 1:] + turned[..., 1]
    along, across, below = (mdp.sphere_points[:, axis] for axis in range(3))
    radius = mdp.sphere_radius[:, None]
    under = ground_height(
        mdp.ground, ground.origin, ground.cell, x[..., None] + radius * along, y[..., None] + radius * across
    )
    needed = xp.max(xp.max(under + radius * below, axis=-1) - turned[..., 2], axis=-1)
    here = ground_height(mdp.ground, ground.origin, ground.cell, xy[:, 0], xy[:, 1])
    return xp.maximum(here + robot.start_height, needed)
