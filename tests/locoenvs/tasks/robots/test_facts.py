"""The robots against their published descriptions, whose numbers are typed in here, turned into base-parallel axes.

What is welded together there is one link here, as it is in our bodies.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from kinematics import default_frames, frames, matrix
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.robots.anymal_c import ANYMAL_C
from locoenvs.tasks.robots.anymal_c_arm import ANYMAL_C_ARM

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Facts:
    """A description. ``links``: mass kg; center of mass m; ixx, iyy, izz, ixy, ixz, iyz kg m^2. ``joints``: axis; lower,
    upper rad; N m; rad/s. ``feet``: joint angles rad, the feet's positions m in the base's frame."""

    mass: float
    links: dict[str, tuple[float, Numbers, Numbers]]
    joints: dict[str, tuple[Numbers, float, float, float, float]]
    feet: tuple[tuple[dict[str, float], dict[str, Numbers]], ...]


A1_FACTS = Facts(
    mass=12.454,
    links={
        "base": (4.714, (0.012728, 0.0021855, 0.00051489), (0.01694, 0.056679, 0.064814, 8.3874e-05, 0.00059767, 2.5133e-05)),
        "FL_hip": (0.696, (-0.003311, 0.000635, 3.1e-05), (0.00046925, 0.00080749, 0.00055293, -9.409e-06, -3.42e-07, -4.66e-07)),
        "FL_thigh": (1.013, (-0.003237, -0.022327, -0.027326), (0.0055291, 0.0051393, 0.0013678, 4.825e-06, 0.00034387, 2.2448e-05)),
        "FL_calf": (0.166, (0.006435, 0.0, -0.10739), (0.002998, 0.003014, 3.2426e-05, 0.0, -0.00014116, 0.0)),
        "FL_foot": (0.06, (0.0, 0.0, 0.0), (9.6e-06, 9.6e-06, 9.6e-06, 0.0, 0.0, 0.0)),
        "FR_hip": (0.696, (-0.003311, -0.000635, 3.1e-05), (0.00046925, 0.00080749, 0.00055293, 9.409e-06, -3.42e-07, 4.66e-07)),
        "FR_thigh": (1.013, (-0.003237, 0.022327, -0.027326), (0.0055291, 0.0051393, 0.0013678, -4.825e-06, 0.00034387, -2.2448e-05)),
        "FR_calf": (0.166, (0.006435, 0.0, -0.10739), (0.002998, 0.003014, 3.2426e-05, 0.0, -0.00014116, 0.0)),
        "FR_foot": (0.06, (0.0, 0.0, 0.0), (9.6e-06, 9.6e-06, 9.6e-06, 0.0, 0.0, 0.0)),
        "RL_hip": (0.696, (0.003311, 0.000635, 3.1e-05), (0.00046925, 0.00080749, 0.00055293, 9.409e-06, 3.42e-07, -4.66e-07)),
        "RL_thigh": (1.013, (-0.003237, -0.022327, -0.027326), (0.0055291, 0.0051393, 0.0013678, 4.825e-06, 0.00034387, 2.2448e-05)),
        "RL_calf": (0.166, (0.006435, 0.0, -0.10739), (0.002998, 0.003014, 3.2426e-05, 0.0, -0.00014116, 0.0)),
        "RL_foot": (0.06, (0.0, 0.0, 0.0), (9.6e-06, 9.6e-06, 9.6e-06, 0.0, 0.0, 0.0)),
        "RR_hip": (0.696, (0.003311, -0.000635, 3.1e-05), (0.00046925, 0.00080749, 0.00055293, -9.409e-06, 3.42e-07, 4.66e-07)),
        "RR_thigh": (1.013, (-0.003237, 0.022327, -0.027326), (0.0055291, 0.0051393, 0.0013678, -4.825e-06, 0.00034387, -2.2448e-05)),
        "RR_calf": (0.166, (0.006435, 0.0, -0.10739), (0.002998, 0.003014, 3.2426e-05, 0.0, -0.00014116, 0.0)),
        "RR_foot": (0.06, (0.0, 0.0, 0.0), (9.6e-06, 9.6e-06, 9.6e-06, 0.0, 0.0, 0.0)),
    },
    joints={
        "FL_hip_joint": ((1, 0, 0), -0.802851455917, 0.802851455917, 20.0, 52.4),
        "FL_thigh_joint": ((0, 1, 0), -1.0471975512, 4.18879020479, 55.0, 28.6),
        "FL_calf_joint": ((0, 1, 0), -2.69653369433, -0.916297857297, 55.0, 28.6),
        "FR_hip_joint": ((1, 0, 0), -0.802851455917, 0.802851455917, 20.0, 52.4),
        "FR_thigh_joint": ((0, 1, 0), -1.0471975512, 4.18879020479, 55.0, 28.6),
        "FR_calf_joint": ((0, 1, 0), -2.69653369433, -0.916297857297, 55.0, 28.6),
        "RL_hip_joint": ((1, 0, 0), -0.802851455917, 0.802851455917, 20.0, 52.4),
        "RL_thigh_joint": ((0, 1, 0), -1.0471975512, 4.18879020479, 55.0, 28.6),
        "RL_calf_joint": ((0, 1, 0), -2.69653369433, -0.916297857297, 55.0, 28.6),
        "RR_hip_joint": ((1, 0, 0), -0.802851455917, 0.802851455917, 20.0, 52.4),
        "RR_thigh_joint": ((0, 1, 0), -1.0471975512, 4.18879020479, 55.0, 28.6),
        "RR_calf_joint": ((0, 1, 0), -2.69653369433, -0.916297857297, 55.0, 28.6),
    },
    feet=(
        (
            {"FL_hip_joint": 0.1, "FL_thigh_joint": 0.8, "FL_calf_joint": -1.5, "FR_hip_joint": -0.1, "FR_thigh_joint": 0.8, "FR_calf_joint": -1.5, "RL_hip_joint": 0.1, "RL_thigh_joint": 1.0, "RL_calf_joint": -1.5, "RR_hip_joint": -0.1, "RR_thigh_joint": 1.0, "RR_calf_joint": -1.5},
            {"FL_foot": (0.168372, 0.160807, -0.282359), "FR_foot": (0.168372, -0.160807, -0.282359), "RL_foot": (-0.255409, 0.159936, -0.273669), "RR_foot": (-0.255409, -0.159936, -0.273669)},
        ),
        (
            {"FL_hip_joint": 0.3, "FL_thigh_joint": 0.5, "FL_calf_joint": -1.1, "FR_hip_joint": 0.3, "FR_thigh_joint": 0.5, "FR_calf_joint": -1.1, "RL_hip_joint": 0.3, "RL_thigh_joint": 0.5, "RL_calf_joint": -1.1, "RR_hip_joint": 0.3, "RR_thigh_joint": 0.5, "RR_calf_joint": -1.1},
            {"FL_foot": (0.200043, 0.228901, -0.300238), "FR_foot": (0.200043, -0.027602, -0.350506), "RL_foot": (-0.165957, 0.228901, -0.300238), "RR_foot": (-0.165957, -0.027602, -0.350506)},
        ),
    ),
)  # fmt: skip

ANYMAL_B_FACTS = Facts(
    mass=30.6214,
    links={
        "base": (16.794, (-0.0019606, -0.0014132, 0.050207), (0.21739, 0.63943, 0.62414, -0.0013287, -0.002282, -0.0013808)),
        "LF_HIP": (1.4246, (0.064516, -0.0037871, -0.00015218), (0.0024302, 0.0023026, 0.0019807, -1.5302e-05, -2.1819e-05, 2.6473e-05)),
        "LF_THIGH": (1.635, (-0.003898, 0.054227, -0.21458), (0.012037, 0.012064, 0.0024942, 6.7621e-05, 0.00028781, -0.0014061)),
        "LF_SHANK": (0.34738, (0.058733, -0.010824, -0.098064), (0.0068581, 0.0077043, 0.0010194, 3.2229e-05, 0.0014287, -0.00031624)),
        "LF_FOOT": (0.05, (0.0, 0.0, 0.02325), (0.001, 0.001, 8.3192e-06, -2.6305e-07, 6.8156e-06, -6.8156e-06)),
        "LH_HIP": (1.4246, (-0.064516, -0.0037871, -0.00015218), (0.0024302, 0.0023026, 0.0019807, 1.5302e-05, 2.1819e-05, 2.6473e-05)),
        "LH_THIGH": (1.635, (0.003898, 0.054227, -0.21458), (0.012037, 0.012064, 0.0024942, -6.7621e-05, -0.00028781, -0.0014061)),
        "LH_SHANK": (0.34738, (-0.058733, -0.010824, -0.098064), (0.0068581, 0.0077043, 0.0010194, -3.2229e-05, -0.0014287, -0.00031624)),
        "LH_FOOT": (0.05, (0.0, 0.0, 0.02325), (0.001, 0.001, 8.3192e-06, -2.6305e-07, 6.8156e-06, -6.8156e-06)),
        "RF_HIP": (1.4246, (0.064516, 0.0037871, -0.00015218), (0.0024302, 0.0023026, 0.0019807, 1.5302e-05, -2.1819e-05, -2.6473e-05)),
        "RF_THIGH": (1.635, (-0.003898, -0.054227, -0.21458), (0.012037, 0.012064, 0.0024942, -6.7621e-05, 0.00028781, 0.0014061)),
        "RF_SHANK": (0.34738, (0.058733, 0.010824, -0.098064), (0.0068581, 0.0077043, 0.0010194, -3.2229e-05, 0.0014287, 0.00031624)),
        "RF_FOOT": (0.05, (0.0, 0.0, 0.02325), (0.001, 0.001, 8.3192e-06, -2.6305e-07, 6.8156e-06, -6.8156e-06)),
        "RH_HIP": (1.4246, (-0.064516, 0.0037871, -0.00015218), (0.0024302, 0.0023026, 0.0019807, -1.5302e-05, 2.1819e-05, -2.6473e-05)),
        "RH_THIGH": (1.635, (0.003898, -0.054227, -0.21458), (0.012037, 0.012064, 0.0024942, 6.7621e-05, -0.00028781, 0.0014061)),
        "RH_SHANK": (0.34738, (-0.058733, 0.010824, -0.098064), (0.0068581, 0.0077043, 0.0010194, 3.2229e-05, -0.0014287, 0.00031624)),
        "RH_FOOT": (0.05, (0.0, 0.0, 0.02325), (0.001, 0.001, 8.3192e-06, -2.6305e-07, 6.8156e-06, -6.8156e-06)),
    },
    joints={
        "LF_HAA": ((1, 0, 0), -9.42, 9.42, 80.0, 15.0),
        "LF_HFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
        "LF_KFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
        "LH_HAA": ((1, 0, 0), -9.42, 9.42, 80.0, 15.0),
        "LH_HFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
        "LH_KFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
        "RF_HAA": ((1, 0, 0), -9.42, 9.42, 80.0, 20.0),
        "RF_HFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
        "RF_KFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
        "RH_HAA": ((1, 0, 0), -9.42, 9.42, 80.0, 15.0),
        "RH_HFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
        "RH_KFE": ((0, 1, 0), -9.42, 9.42, 80.0, 20.0),
    },
    feet=(
        (
            {"LF_HAA": 0.0, "LF_HFE": 0.4, "LF_KFE": -0.8, "LH_HAA": 0.0, "LH_HFE": -0.4, "LH_KFE": 0.8, "RF_HAA": 0.0, "RF_HFE": 0.4, "RF_KFE": -0.8, "RH_HAA": 0.0, "RH_HFE": -0.4, "RH_KFE": 0.8},
            {"LF_FOOT": (0.460352, 0.246, -0.487214), "LH_FOOT": (-0.460352, 0.246, -0.487214), "RF_FOOT": (0.460352, -0.246, -0.487214), "RH_FOOT": (-0.460352, -0.246, -0.487214)},
        ),
        (
            {"LF_HAA": 0.1, "LF_HFE": 0.2, "LF_KFE": 0.3, "LH_HAA": 0.1, "LH_HFE": 0.2, "LH_KFE": 0.3, "RF_HAA": 0.1, "RF_HFE": 0.2, "RF_KFE": 0.3, "RH_HAA": 0.1, "RH_HFE": 0.2, "RH_KFE": 0.3},
            {"LF_FOOT": (0.224575, 0.302743, -0.559032), "LH_FOOT": (-0.631941, 0.29317, -0.463626), "RF_FOOT": (0.224575, -0.187958, -0.584989), "RH_FOOT": (-0.631941, -0.197531, -0.489583)},
        ),
    ),
)  # fmt: skip

CASSIE_FACTS = Facts(
    mass=30.468,
    links={
        "pelvis": (10.43, (0.051002, 0.0, 0.027633), (0.094843, 0.084742, 0.11311, 0.000169, 0.03025, 0.000516)),
        "left_pelvis_rotation": (1.82, (0.0257, 0.0001, 0.0179), (0.00272, 0.00559, 0.00464, 7.03e-07, 1.53e-06, 2.61e-06)),
        "left_hip": (1.17, (0.0, 0.0, 0.0557), (0.00608, 0.00644, 0.000842, 4e-08, -2.46e-07, -6.25e-07)),
        "left_thigh": (5.52, (0.0001, 0.0358, -0.0598), (0.0563, 0.0498, 0.018, 1.93e-05, -0.000284, -0.0117)),
        "left_shin": (0.577, (0.0012, -0.0002, -0.1834), (0.0341, 0.0341, 0.00036, -2.65e-07, -0.000334, -1.94e-07)),
        "left_tarsus": (0.782, (-0.0306, 0.0013, -0.1105), (0.0231, 0.0239, 0.00113, -3.62e-05, 0.00288, -6.33e-05)),
        "left_toe": (0.15, (0.0275, 0.0001, -0.0047), (0.000171, 0.010449, 0.000287, -1.72e-07, 9.86e-05, -1.46e-06)),
        "right_pelvis_rotation": (1.82, (0.0257, -0.0001, 0.0179), (0.00272, 0.00559, 0.00464, -7.03e-07, 1.53e-06, -2.61e-06)),
        "right_hip": (1.17, (0.0, 0.0, 0.0557), (0.00608, 0.00644, 0.000842, 4e-08, -2.46e-07, -6.25e-07)),
        "right_thigh": (5.52, (0.0001, -0.0358, -0.0598), (0.0563, 0.0498, 0.018, -1.93e-05, -0.000284, 0.0117)),
        "right_shin": (0.577, (0.0012, 0.0002, -0.1834), (0.0341, 0.0341, 0.00036, 2.65e-07, -0.000334, 1.94e-07)),
        "right_tarsus": (0.782, (-0.0306, -0.0013, -0.1105), (0.0231, 0.0239, 0.00113, 3.62e-05, 0.00288, 6.33e-05)),
        "right_toe": (0.15, (0.0275, -0.0001, -0.0047), (0.000171, 0.010449, 0.000287, 1.72e-07, 9.86e-05, 1.46e-06)),
    },
    joints={
        "hip_abduction_left": ((1, 0, 0), -0.2618, 0.3927, 112.0, 20.1475),
        "hip_rotation_left": ((0, 0, 1), -0.3927, 0.3927, 112.0, 20.1475),
        "hip_flexion_left": ((0, -1, 0), -0.8727, 1.3963, 195.0, 20.5085),
        "thigh_joint_left": ((0, -1, 0), -2.8623, -0.6458, 195.0, 20.5085),
        "ankle_joint_left": ((0, -1, 0), 0.6458, 2.8623, 195.0, 20.5085),
        "toe_joint_left": ((0, -1, 0), -2.4435, -0.5236, 45.0, 20.5192),
        "hip_abduction_right": ((1, 0, 0), -0.3927, 0.2618, 112.0, 20.1475),
        "hip_rotation_right": ((0, 0, 1), -0.3927, 0.3927, 112.0, 20.1475),
        "hip_flexion_right": ((0, -1, 0), -0.8727, 1.3963, 195.0, 20.5085),
        "thigh_joint_right": ((0, -1, 0), -2.8623, -0.6458, 195.0, 20.5085),
        "ankle_joint_right": ((0, -1, 0), 0.6458, 2.8623, 195.0, 20.5085),
        "toe_joint_right": ((0, -1, 0), -2.4435, -0.5236, 45.0, 20.5192),
    },
    feet=(
        (
            {"hip_abduction_left": 0.1, "hip_rotation_left": 0.0, "hip_flexion_left": 1.0, "thigh_joint_left": -1.8, "ankle_joint_left": 1.57, "toe_joint_left": -1.57, "hip_abduction_right": -0.1, "hip_rotation_right": 0.0, "hip_flexion_right": 1.0, "thigh_joint_right": -1.8, "ankle_joint_right": 1.57, "toe_joint_right": -1.57},
            {"left_toe": (0.009311, 0.209677, -0.789353), "right_toe": (0.009311, -0.209677, -0.789353)},
        ),
        (
            {"hip_abduction_left": 0.2, "hip_rotation_left": 0.3, "hip_flexion_left": 0.5, "thigh_joint_left": -1.2, "ankle_joint_left": 1.9, "toe_joint_left": -1.0, "hip_abduction_right": 0.2, "hip_rotation_right": 0.3, "hip_flexion_right": 0.5, "thigh_joint_right": -1.2, "ankle_joint_right": 1.9, "toe_joint_right": -1.0},
            {"left_toe": (0.10375, 0.320901, -0.702951), "right_toe": (0.101091, 0.059328, -0.701242)},
        ),
    ),
)  # fmt: skip

FACTS = {"A1": A1_FACTS, "AnymalB": ANYMAL_B_FACTS, "Cassie": CASSIE_FACTS}

DIFFERENT: dict[tuple[str, str, str], Any] = {
    # One hip of four is published with 20 rad/s.
    ("AnymalB", "RF_HAA", "velocity"): 15.0,
    # A body of 0.1 kg welded to the pelvis, with 0.015 kg m^2 off and 0.00001 on the diagonal, is a point here.
    ("Cassie", "pelvis", "inertia"): (0.094833, 0.084732, 0.113099, 0.000169, 0.01525, 0.000516),
    # 0.01 of the published 0.010449 stands for the motor, which the joint's armature does here.
    ("Cassie", "left_toe", "inertia"): (0.000171, 0.000449, 0.000287, -1.72e-07, 9.86e-05, -1.46e-06),
    ("Cassie", "right_toe", "inertia"): (0.000171, 0.000449, 0.000287, 1.72e-07, 9.86e-05, 1.46e-06),
}
"""What we have instead of what is published, and why: (robot, link or joint, quantity)."""

LINKS = [(name, link) for name, facts in FACTS.items() for link in facts.links]
JOINTS = [(name, joint) for name, facts in FACTS.items() for joint in facts.joints]


@pytest.mark.parametrize("name", FACTS)
def test_total_mass_links_and_joints_are_the_published_ones(name: str) -> None:
    robot, facts = ROBOTS[name], FACTS[name]
    assert robot.mass == pytest.approx(facts.mass, rel=1e-3)
    assert {body.name for body in robot.bodies} == set(facts.links)
    assert set(robot.joint_names) == set(facts.joints)


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_mass_center_and_inertia_of_each_link(name: str, link: str) -> None:
    mass, center, published = FACTS[name].links[link]
    body = next(body for body in ROBOTS[name].bodies if body.name == link)
    inertia = DIFFERENT.get((name, link, "inertia"), published)
    assert body.mass == pytest.approx(mass, rel=1e-3)
    np.testing.assert_allclose(body.center_of_mass, center, atol=1e-5)
    np.testing.assert_allclose(body.inertia[:3], inertia[:3], rtol=1e-2)
    np.testing.assert_allclose(body.inertia[3:], inertia[3:], atol=0.01 * max(inertia[:3]))


@pytest.mark.parametrize(("name", "joint"), JOINTS)
def test_axis_and_limits_of_each_joint(name: str, joint: str) -> None:
    axis, lower, upper, torque, published = FACTS[name].joints[joint]
    ours = next(each for each in ROBOTS[name].joints if each.name == joint)
    assert ours.axis == axis
    velocity = DIFFERENT.get((name, joint, "velocity"), published)
    np.testing.assert_allclose(
        (ours.lower, ours.upper, ours.torque_limit, ours.velocity_limit), (lower, upper, torque, velocity), rtol=1e-5
    )


@pytest.mark.parametrize("name", FACTS)
def test_the_feet_are_where_the_description_puts_them(name: str) -> None:
    robot, facts = ROBOTS[name], FACTS[name]
    default, _ = facts.feet[0]
    assert default == {joint.name: joint.default for joint in robot.joints}
    for angles, feet in facts.feet:
        placed = frames(robot, angles)
        assert set(feet) == set(robot.feet)
        for foot, position in feet.items():
            np.testing.assert_allclose(placed[foot][1], position, atol=1e-5, err_msg=foot)


def test_the_differences_are_differences() -> None:
    """Each is one of what it is listed for, and none is needed no more."""
    for (name, part, quantity), ours in DIFFERENT.items():
        facts = FACTS[name]
        published = facts.links[part][2] if quantity == "inertia" else facts.joints[part][4]
        assert not np.allclose(ours, published, rtol=1e-2)


def test_cassies_motors_have_the_published_inertia() -> None:
    """Rotor inertia kg m^2 times gear ratio squared; the ankle is a spring on the real robot and has no motor."""
    motors = {
        "hip_abduction": 6.1e-5 * 25**2,
        "hip_rotation": 6.1e-5 * 25**2,
        "hip_flexion": 3.65e-4 * 16**2,
        "thigh_joint": 3.65e-4 * 16**2,
        "ankle_joint": 0.0,
        "toe_joint": 4.9e-6 * 50**2,
    }
    for joint in ROBOTS["Cassie"].joints:
        assert joint.armature == pytest.approx(motors[joint.name.rpartition("_")[0]]), joint.name


def test_the_arm_adds_a_fifth_to_anymal_c_and_nothing_else() -> None:
    assert 1.18 < ANYMAL_C_ARM.mass / ANYMAL_C.mass < 1.22
    arm = next(body for body in ANYMAL_C_ARM.bodies if body.name == "ARM")
    assert arm.joint is None and arm.parent == "base"
    assert [body for body in ANYMAL_C_ARM.bodies if body is not arm] == list(ANYMAL_C.bodies)
    assert ANYMAL_C_ARM.joints == ANYMAL_C.joints
    assert dataclasses.replace(
        ANYMAL_C_ARM, name="anymal_c", bodies=ANYMAL_C.bodies, spheres=ANYMAL_C.spheres,
        terminating=ANYMAL_C.terminating, visuals=ANYMAL_C.visuals,
    ) == ANYMAL_C  # fmt: skip


def test_the_arm_is_the_sum_of_its_links() -> None:
    """Mass, center and inertia against 200 slices of each link's solid cylinder."""
    from locoenvs.tasks.robots.anymal_c_arm import _LINKS

    points, masses, own = [], [], np.zeros((3, 3))
    for mass, start, end, radius in _LINKS:
        a, b = np.array(start), np.array(end)
        along = (b - a) / np.linalg.norm(b - a)
        share = (np.arange(200) + 0.5) / 200
        points += list(a + share[:, None] * (b - a))
        masses += [mass / 200] * 200
        # a thin disc has m r^2 / 4 across and m r^2 / 2 along its axis
        own += mass * radius**2 / 4 * (np.eye(3) + np.outer(along, along))
    weights, at = np.array(masses), np.array(points)
    center = weights @ at / weights.sum()
    away = at - center
    inertia = own + np.einsum("n,nij->ij", weights, np.eye(3) * np.sum(away**2, axis=1)[:, None, None])
    inertia -= np.einsum("n,ni,nj->ij", weights, away, away)
    arm = next(body for body in ANYMAL_C_ARM.bodies if body.name == "ARM")
    assert arm.mass == pytest.approx(weights.sum())
    np.testing.assert_allclose(arm.center_of_mass, center, atol=1e-6)
    np.testing.assert_allclose(matrix(arm.inertia), inertia, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ROBOTS)
class TestEveryRobot:
    def test_its_inertias_are_those_of_real_bodies(self, name: str) -> None:
        for body in ROBOTS[name].bodies:
            smallest, middle, largest = np.linalg.eigvalsh(matrix(body.inertia))
            assert smallest > 0, body.name
            assert smallest + middle > largest * (1 - 1e-6), body.name

    def test_axes_are_unit_vectors(self, name: str) -> None:
        for joint in ROBOTS[name].joints:
            assert np.linalg.norm(joint.axis) == pytest.approx(1.0), joint.name

    def test_left_and_right_are_mirror_images(self, name: str) -> None:
        """Mirrored angles put every mirrored body where its image was, with the same mass and inertia, but for the
        base, which is a few millimetres heavier on one side. Contact spheres lie mirrored too."""
        robot = ROBOTS[name]
        flip = np.array([1.0, -1.0, 1.0])
        angles = dict(zip(robot.joint_names, np.random.default_rng(0).uniform(-0.3, 0.3, 12)))
        mirrored = {own: sign * angles[other] for own, (other, sign) in zip(robot.joint_names, robot.mirror)}
        before, after = frames(robot, angles), frames(robot, mirrored)
        joint_image = dict(zip(robot.joint_names, (other for other, _ in robot.mirror)))
        of_joint = {body.joint.name: body for body in robot.bodies if body.joint is not None}
        image = {of_joint[own].name: of_joint[other].name for own, other in joint_image.items()}
        bodies = {body.name: body for body in robot.bodies}
        for foot in set(robot.feet) - set(image):  # welded to a shank
            parent = bodies[foot].parent
            assert parent is not None
            image[foot] = next(other for other in robot.feet if bodies[other].parent == image[parent])
        assert len(image) >= 12
        for own, other in image.items():
            np.testing.assert_allclose(after[other][1], before[own][1] * flip, atol=1e-9, err_msg=own)
            np.testing.assert_allclose(after[other][0], before[own][0] * np.outer(flip, flip), atol=1e-9, err_msg=own)
            assert bodies[own].mass == bodies[other].mass
            np.testing.assert_array_equal(bodies[own].center_of_mass, flip * bodies[other].center_of_mass)
            np.testing.assert_array_equal(
                matrix(bodies[own].inertia), matrix(bodies[other].inertia) * np.outer(flip, flip)
            )
        spheres = {(each.body, each.position, each.radius) for each in robot.spheres}
        for each in robot.spheres:
            x, y, z = each.position
            assert (image.get(each.body, each.body), (x, -y, z), each.radius) in spheres, each
        base = bodies[robot.bodies[0].name]
        assert abs(base.center_of_mass[1]) < 0.003

    def test_mirrored_joints_have_mirrored_ranges_and_defaults(self, name: str) -> None:
        robot = ROBOTS[name]
        joints = {joint.name: joint for joint in robot.joints}
        for joint, (other, sign) in zip(robot.joints, robot.mirror):
            image = joints[other]
            assert sorted((sign * image.lower, sign * image.upper)) == [joint.lower, joint.upper], joint.name
            assert sign * image.default == joint.default, joint.name
            for same in ("torque_limit", "velocity_limit", "stiffness", "damping", "armature"):
                assert getattr(joint, same) == getattr(image, same)

    def test_the_start_stands_clear_of_the_ground(self, name: str) -> None:
        """At the start height every sphere of the default pose is above the ground, the feet lowest, within 20 cm."""
        robot = ROBOTS[name]
        placed = default_frames(robot)
        lowest: dict[str, float] = {}
        for sphere in robot.spheres:
            turn, at = placed[sphere.body]
            height = robot.start_height + (at + turn @ np.array(sphere.position))[2] - sphere.radius
            lowest[sphere.body] = min(height, lowest.get(sphere.body, np.inf))
        feet = [lowest.pop(foot) for foot in robot.feet]
        assert 0.02 < min(feet) and max(feet) < 0.2 and max(feet) - min(feet) < 0.03
        assert min(lowest.values()) > max(feet) + 0.05
