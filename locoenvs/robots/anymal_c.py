"""ANYmal C (ANYbotics): masses, frames and limits after the manufacturer's published description.

x is forward, y left, z up; at joint angle zero every frame is parallel to the base's and the legs hang straight down.
The four legs are one leg, mirrored: the published legs differ from it by less than 2 % of any inertia.
"""

from __future__ import annotations

from locoenvs.robot import Body, Joint, Robot, Sphere, Vector3, Visual

LEGS = ("LF", "LH", "RF", "RH")
"""Left and right, front and hind."""

Color = tuple[float, float, float, float]
Quaternion = tuple[float, float, float, float]

_RED: Color = (0.72, 0.07, 0.07, 1.0)
_SHELL: Color = (0.09, 0.09, 0.10, 1.0)
_GREY: Color = (0.27, 0.28, 0.30, 1.0)
_METAL: Color = (0.52, 0.53, 0.55, 1.0)
_RUBBER: Color = (0.05, 0.05, 0.05, 1.0)
_GLASS: Color = (0.10, 0.20, 0.32, 1.0)

_ALONG_X: Quaternion = (0.70710678, 0.0, 0.70710678, 0.0)
"""Turns a cylinder's axis from z to x."""
_ALONG_Y: Quaternion = (0.70710678, 0.70710678, 0.0, 0.0)
"""Turns a cylinder's axis from z to y."""


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
    return ()


_BASE = Body(
    "base", None, (0.0, 0.0, 0.0),
    26.37317, (-0.017794, -0.000178, 0.008504),
    (0.21671174, 1.78516169, 1.83369945, 0.00922381, 0.05893319, -0.00016378),
)  # fmt: skip

_BASE_SPHERES = tuple(
    Sphere("base", (0.42 * x, 0.10 * y, 0.07 * z), 0.05) for x in (1, -1) for y in (1, -1) for z in (1, -1)
)
"""The corners of a box of 0.94 x 0.30 x 0.24 m."""

_BASE_VISUALS: tuple[Visual, ...] = ()

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
