"""ANYmal C against its published description, whose numbers are typed in here, turned into base-parallel axes."""

from __future__ import annotations

import numpy as np
import pytest

import kinematics
from kinematics import Frames, matrix
from locoenvs.tasks.robots.anymal_c import ANYMAL_C, LEGS

BODIES = {body.name: body for body in ANYMAL_C.bodies}

# mass kg; center of mass m; ixx, iyy, izz, ixy, ixz, iyz kg m^2
FACTS = {
    "base": (26.37317, (-0.017794, -0.000178, 0.008504), (0.216712, 1.785162, 1.833699, 0.009224, 0.058933, -0.000164)),
    "LF_HIP": (2.781, (0.056661, 0.017394, -0.000461), (3.2955e-3, 4.9383e-3, 5.8330e-3, -4.45e-5, -9.79e-5, 1.358e-4)),
    "RF_HIP": (2.781, (0.056763, -0.017394, -0.000461), (3.2955e-3, 4.9401e-3, 5.8348e-3, -4.5e-5, 1e-4, -1.358e-4)),
    "LH_HIP": (2.781, (-0.056763, 0.017394, -0.000461), (3.2955e-3, 4.9401e-3, 5.8348e-3, -4.5e-5, -1e-4, 1.358e-4)),
    "RH_HIP": (
        2.781,
        (-0.056661, -0.017394, -0.000461),
        (3.2955e-3, 4.9383e-3, 5.833e-3, -4.45e-5, 9.79e-5, -1.358e-4),
    ),
    "LF_THIGH": (3.071, (-4.6e-5, 0.030815, -0.245696), (0.029904, 0.029564, 0.004861, -4.43e-5, -9.4e-5, 4.1424e-3)),
    "RF_THIGH": (3.071, (4.6e-5, -0.030815, -0.245696), (0.029904, 0.029564, 0.004861, -4.44e-5, 1.15e-4, -4.1424e-3)),
    "LH_THIGH": (3.071, (-4.6e-5, 0.030815, -0.245696), (0.029904, 0.029564, 0.004861, -4.44e-5, -1.15e-4, 4.1424e-3)),
    "RH_THIGH": (3.071, (4.6e-5, -0.030815, -0.245696), (0.029904, 0.029564, 0.004861, -4.43e-5, 9.4e-5, -4.1424e-3)),
    "LF_SHANK": (0.33842, (0.034528, 0.00686, 0.000977), (3.2853e-4, 1.1119e-3, 8.961e-4, 2.119e-5, 1.336e-5, 7e-8)),
    "RF_SHANK": (0.33842, (0.034528, -0.00686, 0.000977), (3.2853e-4, 1.1119e-3, 8.961e-4, -2.119e-5, 1.336e-5, -7e-8)),
    "LH_SHANK": (0.33842, (-0.034528, 0.00686, 0.000977), (3.2853e-4, 1.1119e-3, 8.961e-4, -2.119e-5, -1.336e-5, 7e-8)),
    "RH_SHANK": (0.33842, (-0.034528, -0.00686, 0.000977), (3.285e-4, 1.1119e-3, 8.961e-4, 2.119e-5, -1.336e-5, -7e-8)),
    "LF_FOOT": (0.25, (0.00948, -0.00948, 0.1468), (3.1717e-3, 3.1717e-3, 8.32e-5, 2.63e-6, 6.816e-5, 6.816e-5)),
    "RF_FOOT": (0.25, (0.00948, 0.00948, 0.1468), (3.1717e-3, 3.1717e-3, 8.32e-5, -2.63e-6, 6.816e-5, -6.816e-5)),
    "LH_FOOT": (0.25, (-0.00948, -0.00948, 0.1468), (3.1717e-3, 3.1717e-3, 8.32e-5, -2.63e-6, -6.816e-5, 6.816e-5)),
    "RH_FOOT": (0.25, (-0.00948, 0.00948, 0.1468), (3.1717e-3, 3.1717e-3, 8.32e-5, 2.63e-6, -6.816e-5, -6.816e-5)),
}

# Positions of the feet's frames in the base's, m, for joint angles (HAA, HFE, KFE) of every leg
FEET = {
    "zero": (
        {leg: (0.0, 0.0, 0.0) for leg in LEGS},
        {
            "LF": (0.44775, 0.30116, -0.62297),
            "LH": (-0.44775, 0.30116, -0.62297),
            "RF": (0.44775, -0.30116, -0.62297),
            "RH": (-0.44775, -0.30116, -0.62297),
        },
    ),
    "default": (
        {leg: (0.0, 0.4, -0.8) if leg[1] == "F" else (0.0, -0.4, 0.8) for leg in LEGS},
        {
            "LF": (0.461435, 0.30116, -0.539544),
            "LH": (-0.461435, 0.30116, -0.539544),
            "RF": (0.461435, -0.30116, -0.539544),
            "RH": (-0.461435, -0.30116, -0.539544),
        },
    ),
    "all positive": (
        {leg: (0.1, 0.2, 0.3) for leg in LEGS},
        {
            "LF": (0.218331, 0.361880, -0.595310),
            "LH": (-0.655636, 0.353461, -0.511400),
            "RF": (0.218331, -0.238470, -0.634676),
            "RH": (-0.655636, -0.246889, -0.550767),
        },
    ),
}


def frames(angles: dict[str, float]) -> Frames:
    return kinematics.frames(ANYMAL_C, angles)


def test_the_total_mass_is_the_published_one() -> None:
    assert pytest.approx(52.13485, rel=1e-3) == ANYMAL_C.mass


def test_every_published_link_is_a_body() -> None:
    assert set(BODIES) == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_mass_center_and_inertia_of_each_link(name: str) -> None:
    mass, center, inertia = FACTS[name]
    body = BODIES[name]
    assert body.mass == pytest.approx(mass, rel=1e-6)
    np.testing.assert_allclose(body.center_of_mass, center, atol=1e-4)
    # One mirrored leg stands for four: a product of inertia may differ by 2.5 % of the largest moment, a moment by 1 %.
    np.testing.assert_allclose(np.diag(matrix(body.inertia)), inertia[:3], rtol=1e-2)
    np.testing.assert_allclose(matrix(body.inertia), matrix(inertia), atol=0.025 * max(inertia))


@pytest.mark.parametrize("body", ANYMAL_C.bodies, ids=lambda body: body.name)
def test_inertias_are_those_of_real_bodies(body) -> None:
    smallest, middle, largest = np.linalg.eigvalsh(matrix(body.inertia))
    assert smallest > 0
    assert smallest + middle > largest


@pytest.mark.parametrize("pose", FEET)
def test_the_feet_are_where_the_description_puts_them(pose: str) -> None:
    legs, feet = FEET[pose]
    angles = {f"{leg}_{joint}": angle for leg in LEGS for joint, angle in zip(("HAA", "HFE", "KFE"), legs[leg])}
    placed = frames(angles)
    for leg, position in feet.items():
        np.testing.assert_allclose(placed[f"{leg}_FOOT"][1], position, atol=2e-6, err_msg=leg)


def test_the_default_pose_is_the_one_above() -> None:
    for joint in ANYMAL_C.joints:
        leg, kind = joint.name.split("_")
        assert joint.default == FEET["default"][0][leg][("HAA", "HFE", "KFE").index(kind)], joint.name


def test_joints_come_leg_by_leg_with_their_drives_limits() -> None:
    assert ANYMAL_C.joint_names == tuple(f"{leg}_{kind}" for leg in LEGS for kind in ("HAA", "HFE", "KFE"))
    for joint in ANYMAL_C.joints:
        assert (joint.torque_limit, joint.velocity_limit, joint.stiffness, joint.damping) == (80, 20, 80, 2)


def test_the_start_stands_clear_of_the_ground() -> None:
    """At the start height every contact sphere of the default pose is above the ground, the feet by 2 to 10 cm."""
    placed = frames({joint.name: joint.default for joint in ANYMAL_C.joints})
    lowest = {
        sphere.body: min(
            ANYMAL_C.start_height + (placed[other.body][1] + placed[other.body][0] @ np.array(other.position))[2]
            - other.radius
            for other in ANYMAL_C.spheres
            if other.body == sphere.body
        )
        for sphere in ANYMAL_C.spheres
    }  # fmt: skip
    for name, height in lowest.items():
        assert 0.02 < height < 0.10 if name in ANYMAL_C.feet else height > 0.10, (name, height)


def test_left_and_right_legs_are_mirror_images() -> None:
    flip = np.array([1.0, -1.0, 1.0])
    for body in ANYMAL_C.bodies[1:]:
        image = BODIES[{"L": "R", "R": "L"}[body.name[0]] + body.name[1:]]
        assert image.mass == body.mass
        np.testing.assert_array_equal(image.position, flip * body.position)
        np.testing.assert_array_equal(image.center_of_mass, flip * body.center_of_mass)
        np.testing.assert_array_equal(matrix(image.inertia), matrix(body.inertia) * np.outer(flip, flip))
    spheres = {
        (sphere.body[1:], sphere.position, sphere.radius) for sphere in ANYMAL_C.spheres if sphere.body[0] == "L"
    }
    images = {
        (sphere.body[1:], tuple(flip * sphere.position), sphere.radius)
        for sphere in ANYMAL_C.spheres
        if sphere.body[0] == "R"
    }
    assert spheres == images
    base = {(sphere.position, sphere.radius) for sphere in ANYMAL_C.spheres if sphere.body == "base"}
    assert base == {(tuple(flip * position), radius) for position, radius in base}


def test_mirrored_joint_angles_mirror_the_feet() -> None:
    """The map that learners use: mirrored angles put the left feet where the right ones were, mirrored."""
    rng = np.random.default_rng(0)
    angles = dict(zip(ANYMAL_C.joint_names, rng.uniform(-0.4, 0.4, 12)))
    mirrored = {name: sign * angles[other] for name, (other, sign) in zip(ANYMAL_C.joint_names, ANYMAL_C.mirror)}
    before, after = frames(angles), frames(mirrored)
    for leg in LEGS:
        image = {"L": "R", "R": "L"}[leg[0]] + leg[1]
        np.testing.assert_allclose(after[f"{image}_FOOT"][1], before[f"{leg}_FOOT"][1] * [1, -1, 1], atol=1e-12)
    for joint, (other, sign) in zip(ANYMAL_C.joints, ANYMAL_C.mirror):
        image = next(each for each in ANYMAL_C.joints if each.name == other)
        assert sorted((sign * image.lower, sign * image.upper)) == [joint.lower, joint.upper], joint.name
        assert sign * image.default == joint.default, joint.name
