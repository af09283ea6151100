"""Unitree A1: masses, frames and limits after the manufacturer's published description.

x is forward, y left, z up; at joint angle zero every frame is parallel to the base's and the legs hang straight down.
"""

from __future__ import annotations

from locoenvs.tasks.robot import ALONG_X, ALONG_Y, Body, Color, Joint, Robot, Sphere, Vector3, Visual
from locoenvs.tasks.suite import SuiteRobot

LEGS = ("FL", "FR", "RL", "RR")
"""Front and rear, left and right."""


_SHELL: Color = (0.10, 0.11, 0.13, 1.0)
_DARK: Color = (0.05, 0.05, 0.06, 1.0)
_SILVER: Color = (0.72, 0.74, 0.77, 1.0)
_GREY: Color = (0.33, 0.35, 0.38, 1.0)
_BLUE: Color = (0.05, 0.35, 0.75, 1.0)
_GLASS: Color = (0.08, 0.12, 0.18, 1.0)


def _signs(leg: str) -> tuple[int, int]:
    """(+1 front, -1 rear), (+1 left, -1 right)."""
    return (1 if leg[0] == "F" else -1), (1 if leg[1] == "L" else -1)


def _joint(
    name: str, axis: Vector3, lower: float, upper: float, torque: float, velocity: float, default: float
) -> Joint:
    return Joint(name, axis, lower, upper, torque, velocity, default, stiffness=20.0, damping=0.5)


def _bodies(leg: str) -> tuple[Body, ...]:
    f, s = _signs(leg)
    return (
        Body(
            f"{leg}_hip", "base", (0.183 * f, 0.047 * s, 0.0),
            0.696, (-0.003311 * f, 0.000635 * s, 3.1e-05),
            (0.000469246, 0.00080749, 0.000552929, -9.409e-06 * f * s, -3.42e-07 * f, -4.66e-07 * s),
            _joint(f"{leg}_hip_joint", (1.0, 0.0, 0.0), -0.802851, 0.802851, 20.0, 52.4, 0.1 * s),
        ),
        Body(
            f"{leg}_thigh", f"{leg}_hip", (0.0, 0.08505 * s, 0.0),
            1.013, (-0.003237, -0.022327 * s, -0.027326),
            (0.005529065, 0.005139339, 0.001367788, 4.825e-06 * s, 0.000343869, 2.2448e-05 * s),
            _joint(f"{leg}_thigh_joint", (0.0, 1.0, 0.0), -1.047198, 4.18879, 55.0, 28.6, 0.8 if f > 0 else 1.0),
        ),
        Body(
            f"{leg}_calf", f"{leg}_thigh", (0.0, 0.0, -0.2),
            0.166, (0.006435, 0.0, -0.107388),
            (0.002997972, 0.003014022, 3.2426e-05, 0.0, -0.000141163, 0.0),
            _joint(f"{leg}_calf_joint", (0.0, 1.0, 0.0), -2.696534, -0.916298, 55.0, 28.6, -1.5),
        ),
        Body(
            f"{leg}_foot", f"{leg}_calf", (0.0, 0.0, -0.2),
            0.06, (0.0, 0.0, 0.0), (9.6e-06, 9.6e-06, 9.6e-06, 0.0, 0.0, 0.0),
        ),
    )  # fmt: skip


def _leg_spheres(leg: str) -> tuple[Sphere, ...]:
    return (
        Sphere(f"{leg}_thigh", (0.0, 0.0, -0.1), 0.03),
        Sphere(f"{leg}_calf", (0.0, 0.0, 0.0), 0.025),  # knee
        Sphere(f"{leg}_calf", (0.0, 0.0, -0.1), 0.016),
        Sphere(f"{leg}_foot", (0.0, 0.0, 0.0), 0.02),
    )


def _leg_visuals(leg: str) -> tuple[Visual, ...]:
    f, s = _signs(leg)
    hip, thigh, calf, foot = (f"{leg}_{part}" for part in ("hip", "thigh", "calf", "foot"))
    return (
        # the hip motor along x, and the one of the thigh beside it
        Visual(hip, "cylinder", (0.046, 0.022, 0.0), (0.0, 0.0, 0.0), ALONG_X, _GREY),
        Visual(hip, "cylinder", (0.038, 0.006, 0.0), (0.026 * f, 0.0, 0.0), ALONG_X, _DARK),
        Visual(hip, "cylinder", (0.046, 0.022, 0.0), (0.0, 0.055 * s, 0.0), ALONG_Y, _SHELL),
        Visual(thigh, "cylinder", (0.047, 0.014, 0.0), (0.0, 0.006 * s, 0.0), ALONG_Y, _SILVER),
        Visual(thigh, "cylinder", (0.03, 0.003, 0.0), (0.0, 0.02 * s, 0.0), ALONG_Y, _DARK),
        Visual(thigh, "ellipsoid", (0.036, 0.017, 0.08), (-0.004, 0.0, -0.055), color=_SILVER),
        Visual(thigh, "capsule", (0.017, 0.075, 0.0), (0.0, 0.0, -0.115), color=_SILVER),
        Visual(thigh, "cylinder", (0.021, 0.016, 0.0), (0.0, 0.0, -0.2), ALONG_Y, _GREY),
        Visual(calf, "capsule", (0.013, 0.02, 0.0), (0.008, 0.0, -0.03), (0.996, 0.0, 0.087, 0.0), _DARK),
        Visual(calf, "capsule", (0.0085, 0.07, 0.0), (0.006, 0.0, -0.115), (0.9995, 0.0, -0.03, 0.0), _DARK),
        Visual(foot, "cylinder", (0.011, 0.015, 0.0), (0.0, 0.0, 0.016), color=_DARK),
        Visual(foot, "sphere", (0.02, 0.0, 0.0), (0.0, 0.0, 0.0), color=_DARK),
    )


_BASE = Body(
    "base", None, (0.0, 0.0, 0.0),
    4.714, (0.012728, 0.002186, 0.000515),
    (0.01693993, 0.05667919, 0.0648138, 8.38742e-05, 0.000597672, 2.51329e-05),
)  # fmt: skip

_BASE_SPHERES = tuple(
    Sphere("base", (0.19 * x, 0.047 * y, 0.017 * z), 0.04) for x in (1, -1) for y in (1, -1) for z in (1, -1)
)
"""The corners of the trunk with the motors of the hips, 0.46 x 0.174 x 0.114 m."""

_BASE_VISUALS = (
    Visual("base", "box", (0.125, 0.075, 0.045), (0.0, 0.0, 0.0), color=_SHELL),
    Visual("base", "box", (0.115, 0.06, 0.008), (0.0, 0.0, 0.05), color=_GREY),
    *(Visual("base", "capsule", (0.022, 0.115, 0.0), (0.0, 0.066 * s, 0.03), ALONG_X, _SHELL) for s in (1, -1)),
    *(Visual("base", "capsule", (0.022, 0.115, 0.0), (0.0, 0.066 * s, -0.03), ALONG_X, _SHELL) for s in (1, -1)),
    *(Visual("base", "box", (0.09, 0.003, 0.007), (0.0, 0.088 * s, 0.0), color=_BLUE) for s in (1, -1)),
    # shoulders that hold the hip motors
    *(Visual("base", "box", (0.03, 0.09, 0.038), (0.15 * f, 0.0, 0.0), color=_DARK) for f in (1, -1)),
    # the face: cameras, and a chin
    Visual("base", "ellipsoid", (0.045, 0.06, 0.05), (0.19, 0.0, 0.0), color=_SHELL),
    Visual("base", "box", (0.008, 0.046, 0.013), (0.225, 0.0, 0.012), color=_GLASS),
    *(Visual("base", "sphere", (0.009, 0.0, 0.0), (0.231, 0.03 * s, 0.012), color=_SILVER) for s in (1, -1)),
    Visual("base", "box", (0.004, 0.02, 0.003), (0.232, 0.0, -0.01), color=_BLUE),
    Visual("base", "ellipsoid", (0.035, 0.055, 0.042), (-0.19, 0.0, 0.0), color=_SHELL),
    # handles on top
    *(Visual("base", "capsule", (0.005, 0.09, 0.0), (0.0, 0.05 * s, 0.065), ALONG_X, _SILVER) for s in (1, -1)),
)

A1 = Robot(
    name="a1",
    bodies=(_BASE, *(body for leg in LEGS for body in _bodies(leg))),
    spheres=(*_BASE_SPHERES, *(sphere for leg in LEGS for sphere in _leg_spheres(leg))),
    feet=tuple(f"{leg}_foot" for leg in LEGS),
    penalized=tuple(f"{leg}_{part}" for leg in LEGS for part in ("thigh", "calf")),
    terminating=("base",),
    start_height=0.42,
    action_scale=0.25,
    visuals=(*_BASE_VISUALS, *(visual for leg in LEGS for visual in _leg_visuals(leg))),
    mirror=tuple(
        (f"{leg[0]}{'R' if leg[1] == 'L' else 'L'}_{joint}_joint", sign)
        for leg in LEGS
        for joint, sign in (("hip", -1.0), ("thigh", 1.0), ("calf", 1.0))
    ),
)
"""12.45 kg, twelve drives."""

SUITE = SuiteRobot(
    "A1",
    A1,
    weights={"joint_torques": -2e-4, "joint_limits": -10.0},
    changes={"rewards.terms.joint_limits.parameters.soft_limit": 0.9},
)
