"""ANYmal C (ANYbotics): masses, frames and limits after the manufacturer's published description.

x is forward, y left, z up; at joint angle zero every frame is parallel to the base's and the legs hang straight down.
The four legs are one leg, mirrored: the published legs differ from it by less than 2 % of any inertia.
"""

from __future__ import annotations

from locoenvs.tasks.robot import ALONG_X, ALONG_Y, Body, Color, Joint, Robot, Sphere, Vector3, Visual
from locoenvs.tasks.suite import SuiteRobot

LEGS = ("LF", "LH", "RF", "RH")
"""Left and right, front and hind."""


_RED: Color = (0.72, 0.07, 0.07, 1.0)
_SHELL: Color = (0.09, 0.09, 0.10, 1.0)
_GREY: Color = (0.27, 0.28, 0.30, 1.0)
_METAL: Color = (0.52, 0.53, 0.55, 1.0)
_RUBBER: Color = (0.05, 0.05, 0.05, 1.0)
_GLASS: Color = (0.10, 0.20, 0.32, 1.0)


def _joint(name: str, axis: Vector3, lower: float, upper: float, default: float) -> Joint:
    """A drive: 80 N m and 20 rad/s; the series elasticity is the actuator's business, not the joint's."""
    return Joint(name, axis, lower, upper, 80.0, 20.0, default, stiffness=80.0, damping=2.0)


def _signs(leg: str) -> tuple[int, int]:
    """(+1 front, -1 hind), (+1 left, -1 right)."""
    return (1 if leg[1] == "F" else -1), (1 if leg[0] == "L" else -1)


def _bodies(leg: str) -> tuple[Body, ...]:
    """Hip, thigh, shank and foot. The description gives hip and knee no end stops: three turns are out of reach."""
    f, s = _signs(leg)
    inwards, outwards = -0.72, 0.49
    roll = (inwards, outwards) if s > 0 else (-outwards, -inwards)
    turns = 9.42
    return (
        Body(
            f"{leg}_HIP", "base", (0.2999 * f, 0.104 * s, 0.0),
            2.781, (0.056712 * f, 0.017394 * s, -0.000461),
            (0.00329553, 0.00493921, 0.00583386, 0.0, 0.0, 0.00013581 * s),
            _joint(f"{leg}_HAA", (1.0, 0.0, 0.0), *roll, 0.0),
        ),
        Body(
            f"{leg}_THIGH", f"{leg}_HIP", (0.0599 * f, 0.08381 * s, 0.0),
            3.071, (0.0, 0.030815 * s, -0.245696),
            (0.02990405, 0.02956379, 0.00486108, 0.0, 0.0, 0.00414243 * s),
            _joint(f"{leg}_HFE", (0.0, 1.0, 0.0), -turns, turns, 0.4 * f),
        ),
        Body(
            f"{leg}_SHANK", f"{leg}_THIGH", (0.0, 0.1003 * s, -0.285),
            0.33842, (0.034528 * f, 0.00686 * s, 0.000977),
            (0.00032853, 0.00111194, 0.00089613, 2.119e-05 * f * s, 1.336e-05 * f, 7e-08 * s),
            _joint(f"{leg}_KFE", (0.0, 1.0, 0.0), -turns, turns, -0.8 * f),
        ),
        Body(
            f"{leg}_FOOT", f"{leg}_SHANK", (0.08795 * f, 0.01305 * s, -0.33797),
            0.25, (0.00948 * f, -0.00948 * s, 0.1468),
            (0.00317174, 0.00317174, 8.319e-05, 2.63e-06 * f * s, 6.816e-05 * f, 6.816e-05 * s),
        ),
    )  # fmt: skip


def _leg_spheres(leg: str) -> tuple[Sphere, ...]:
    f, s = _signs(leg)
    return (
        Sphere(f"{leg}_THIGH", (0.0, 0.0303 * s, -0.24), 0.06),
        Sphere(f"{leg}_SHANK", (0.0, 0.0, 0.0), 0.06),  # knee
        Sphere(f"{leg}_SHANK", (0.1 * f, 0.01 * s, -0.18), 0.03),
        Sphere(f"{leg}_FOOT", (0.0, 0.0, 0.0225), 0.03),
    )


def _leg_visuals(leg: str) -> tuple[Visual, ...]:
    f, s = _signs(leg)
    hip, thigh, shank, foot = (f"{leg}_{part}" for part in ("HIP", "THIGH", "SHANK", "FOOT"))
    return (
        Visual(hip, "cylinder", (0.062, 0.03, 0.0), (0.0, 0.0, 0.0), ALONG_X, _GREY),
        Visual(hip, "box", (0.03, 0.03, 0.045), (0.035 * f, 0.0, 0.0), color=_GREY),
        Visual(hip, "cylinder", (0.058, 0.06, 0.0), (0.0599 * f, 0.022 * s, 0.0), ALONG_Y, _SHELL),
        Visual(thigh, "cylinder", (0.064, 0.036, 0.0), (0.0, 0.04 * s, 0.0), ALONG_Y, _GREY),
        Visual(thigh, "cylinder", (0.045, 0.004, 0.0), (0.0, 0.078 * s, 0.0), ALONG_Y, _RED),
        Visual(thigh, "box", (0.036, 0.026, 0.12), (0.0, 0.034 * s, -0.14), color=_SHELL),
        Visual(thigh, "box", (0.025, 0.004, 0.07), (0.0, 0.061 * s, -0.14), color=_GREY),
        Visual(thigh, "cylinder", (0.055, 0.055, 0.0), (0.0, 0.022 * s, -0.285), ALONG_Y, _GREY),
        Visual(shank, "cylinder", (0.058, 0.017, 0.0), (0.0, 0.0, 0.0), ALONG_Y, _SHELL),
        Visual(shank, "cylinder", (0.04, 0.004, 0.0), (0.0, 0.02 * s, 0.0), ALONG_Y, _METAL),
        Visual(shank, "box", (0.05, 0.015, 0.03), (0.05 * f, 0.004 * s, 0.0), color=_SHELL),
        Visual(shank, "capsule", (0.0225, 0.02, 0.0), (0.088 * f, 0.01305 * s, -0.02), color=_SHELL),
        Visual(shank, "cylinder", (0.0165, 0.14, 0.0), (0.08795 * f, 0.01305 * s, -0.165), color=_METAL),
        Visual(foot, "cylinder", (0.022, 0.02, 0.0), (0.0, 0.0, 0.05), color=_SHELL),
        Visual(foot, "sphere", (0.03, 0.0, 0.0), (0.0, 0.0, 0.0225), color=_RUBBER),
    )


_BASE = Body(
    "base", None, (0.0, 0.0, 0.0),
    26.37317, (-0.017794, -0.000178, 0.008504),
    (0.21671174, 1.78516169, 1.83369945, 0.00922381, 0.05893319, -0.00016378),
)  # fmt: skip

_BASE_SPHERES = tuple(
    Sphere("base", (0.46 * x, 0.11 * y, 0.05 * z), 0.05) for x in (1, -1) for y in (1, -1) for z in (1, -1)
)
"""The corners of the body, 1.02 x 0.32 x 0.2 m with its faces and bumpers."""


def _end_visuals(f: int) -> tuple[Visual, ...]:
    """What the front (+1) and the rear (-1) have alike: hip drives, face with cameras, bumper cage."""
    return (
        *(Visual("base", "cylinder", (0.072, 0.06, 0.0), (0.215 * f, 0.085 * s, 0.0), ALONG_X, _GREY) for s in (1, -1)),
        *(
            Visual("base", "cylinder", (0.066, 0.012, 0.0), (0.375 * f, 0.085 * s, 0.0), ALONG_X, _SHELL)
            for s in (1, -1)
        ),
        Visual("base", "box", (0.05, 0.07, 0.082), (0.45 * f, 0.0, 0.0), color=_SHELL),
        *(Visual("base", "cylinder", (0.082, 0.05, 0.0), (0.45 * f, 0.065 * s, 0.0), ALONG_X, _SHELL) for s in (1, -1)),
        Visual("base", "box", (0.004, 0.075, 0.02), (0.5 * f, 0.0, 0.055), color=_RED),
        Visual("base", "cylinder", (0.026, 0.012, 0.0), (0.505 * f, 0.0, 0.015), ALONG_X, _METAL),
        Visual("base", "sphere", (0.02, 0.0, 0.0), (0.512 * f, 0.0, 0.015), color=_GLASS),
        Visual("base", "box", (0.008, 0.045, 0.013), (0.5 * f, 0.0, -0.042), color=_GLASS),
        *(Visual("base", "capsule", (0.009, 0.05, 0.0), (0.535 * f, 0.1 * s, 0.0), color=_METAL) for s in (1, -1)),
        *(Visual("base", "capsule", (0.009, 0.1, 0.0), (0.535 * f, 0.0, 0.05 * z), ALONG_Y, _METAL) for z in (1, -1)),
        *(
            Visual("base", "capsule", (0.009, 0.025, 0.0), (0.51 * f, 0.1 * s, 0.05 * z), ALONG_X, _METAL)
            for s in (1, -1)
            for z in (1, -1)
        ),
    )


_BASE_VISUALS = (
    Visual("base", "box", (0.4, 0.072, 0.075), (0.0, 0.0, 0.0), color=_GREY),
    # the red shell on top, its edges round, and the black one below
    Visual("base", "box", (0.375, 0.075, 0.03), (0.0, 0.0, 0.062), color=_RED),
    *(Visual("base", "capsule", (0.03, 0.35, 0.0), (0.0, 0.075 * s, 0.062), ALONG_X, _RED) for s in (1, -1)),
    *(Visual("base", "box", (0.13, 0.012, 0.04), (0.0, 0.085 * s, 0.015), color=_RED) for s in (1, -1)),
    Visual("base", "box", (0.27, 0.075, 0.02), (0.0, 0.0, -0.075), color=_SHELL),
    *(Visual("base", "capsule", (0.025, 0.25, 0.0), (0.0, 0.075 * s, -0.07), ALONG_X, _SHELL) for s in (1, -1)),
    Visual("base", "box", (0.17, 0.065, 0.006), (0.03, 0.0, 0.093), color=_SHELL),
    *(Visual("base", "box", (0.045, 0.014, 0.016), (0.0, 0.1 * s, 0.022), color=_GLASS) for s in (1, -1)),
    # the handle
    *(Visual("base", "capsule", (0.009, 0.02, 0.0), (0.29, 0.06 * s, 0.115), color=_SHELL) for s in (1, -1)),
    Visual("base", "capsule", (0.011, 0.06, 0.0), (0.29, 0.0, 0.138), ALONG_Y, _SHELL),
    # the lidar and its cage
    Visual("base", "cylinder", (0.075, 0.012, 0.0), (-0.364, 0.0, 0.1), color=_SHELL),
    Visual("base", "cylinder", (0.05, 0.022, 0.0), (-0.364, 0.0, 0.132), color=_GLASS),
    Visual("base", "cylinder", (0.051, 0.014, 0.0), (-0.364, 0.0, 0.168), color=_SHELL),
    *(
        Visual("base", "capsule", (0.007, 0.045, 0.0), (-0.364 + 0.062 * x, 0.062 * y, 0.145), color=_METAL)
        for x in (1, -1)
        for y in (1, -1)
    ),
    *(
        Visual("base", "capsule", (0.007, 0.062, 0.0), (-0.364 + 0.062 * x, 0.0, 0.193), ALONG_Y, _METAL)
        for x in (1, -1)
    ),
    *(Visual("base", "capsule", (0.007, 0.062, 0.0), (-0.364, 0.062 * y, 0.193), ALONG_X, _METAL) for y in (1, -1)),
    *_end_visuals(1),
    *_end_visuals(-1),
)

ANYMAL_C = Robot(
    name="anymal_c",
    bodies=(_BASE, *(body for leg in LEGS for body in _bodies(leg))),
    spheres=(*_BASE_SPHERES, *(sphere for leg in LEGS for sphere in _leg_spheres(leg))),
    feet=tuple(f"{leg}_FOOT" for leg in LEGS),
    penalized=tuple(f"{leg}_{part}" for leg in LEGS for part in ("THIGH", "SHANK")),
    terminating=("base",),
    start_height=0.6,
    action_scale=0.5,
    visuals=(*_BASE_VISUALS, *(visual for leg in LEGS for visual in _leg_visuals(leg))),
    mirror=tuple(
        (f"{'R' if leg[0] == 'L' else 'L'}{leg[1]}_{joint}", sign)
        for leg in LEGS
        for joint, sign in (("HAA", -1.0), ("HFE", 1.0), ("KFE", 1.0))
    ),
)
"""52.13 kg, twelve drives."""

SUITE = SuiteRobot("AnymalC", ANYMAL_C, payload=(-5.0, 5.0), drive="anydrive")
