"""Where spheres are at any joint angles, against the frames at the default pose and against matrices multiplied by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from locoenvs.mdp.kinematics import body_poses, frames, sphere_centers
from locoenvs.numerics.rotation import rotate
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.robots import ROBOTS


def expected(robot: Robot, angles: np.ndarray) -> np.ndarray:
    """(S, 3) m at joint angles (J,) rad: the frames of the robot whose default pose they are."""
    names = iter(angles)
    bodies = [
        body
        if body.joint is None
        else dataclasses.replace(
            body, joint=dataclasses.replace(body.joint, lower=-9, upper=9, default=float(next(names)))
        )
        for body in robot.bodies
    ]
    placed = frames(bodies)
    return np.array([placed[s.body][1] + placed[s.body][0] @ s.position for s in robot.spheres])


@pytest.mark.parametrize("name", sorted(ROBOTS))
def test_spheres_are_where_the_joints_put_them(name: str) -> None:
    robot, draw = ROBOTS[name], np.random.default_rng(0)
    angles = draw.uniform(-1.5, 1.5, (7, len(robot.joints))).astype(np.float32)
    found = sphere_centers(robot, angles)
    for one, row in zip(found, angles):
        np.testing.assert_allclose(one, expected(robot, row), atol=2e-6)


@pytest.mark.parametrize("name", sorted(ROBOTS))
def test_bodies_are_where_their_spheres_are(name: str) -> None:
    robot, draw = ROBOTS[name], np.random.default_rng(3)
    angles = draw.uniform(-1.5, 1.5, (5, len(robot.joints))).astype(np.float32)
    turn = draw.normal(size=(5, 4)).astype(np.float32)
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    at = draw.uniform(-2, 2, (5, 3)).astype(np.float32)
    places, turns = body_poses(robot, at, turn, angles)
    index = [[body.name for body in robot.bodies].index(sphere.body) for sphere in robot.spheres]
    spots = np.array([sphere.position for sphere in robot.spheres], np.float32)
    found = places[:, index] + rotate(turns[:, index], spots[None])
    wanted = at[:, None] + rotate(turn[:, None], sphere_centers(robot, angles))
    np.testing.assert_allclose(found, wanted, atol=5e-6)


def test_a_robots_numbers_do_not_depend_on_the_others() -> None:
    robot = ROBOTS["Cassie"]
    angles = np.random.default_rng(1).uniform(-1, 1, (64, len(robot.joints))).astype(np.float32)
    assert np.array_equal(sphere_centers(robot, angles)[5:6], sphere_centers(robot, angles[5:6]))


def test_an_axis_of_any_length_is_one_direction_as_in_an_engine() -> None:
    robot = ROBOTS["A1"]
    longer = [
        body
        if body.joint is None
        else dataclasses.replace(
            body, joint=dataclasses.replace(body.joint, axis=tuple(20.0 * part for part in body.joint.axis))
        )
        for body in robot.bodies
    ]
    angles = np.random.default_rng(2).uniform(-1, 1, (3, len(robot.joints))).astype(np.float32)
    found = sphere_centers(dataclasses.replace(robot, bodies=tuple(longer)), angles)
    np.testing.assert_array_equal(found, sphere_centers(robot, angles))
    for (turn, at), (expected_turn, expected_at) in zip(frames(longer).values(), frames(robot.bodies).values()):
        np.testing.assert_array_equal(turn, expected_turn)
        np.testing.assert_array_equal(at, expected_at)
