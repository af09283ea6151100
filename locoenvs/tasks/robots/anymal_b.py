"""ANYmal B (ANYbotics): masses, frames and limits after the manufacturer's published description.

x is forward, y left, z up; at joint angle zero every frame is parallel to the base's and the legs hang straight down.
The four legs are one leg, mirrored. The description's shank ends in an adapter that is welded to it: here they are one
body. It allows the right front hip 20 rad/s and the other three 15: here all have 15. The feet's products of inertia,
below 1 % of the moments and not mirrored there, are left out.
"""

from __future__ import annotations

from locoenvs.tasks.robot import ALONG_X, ALONG_Y, Body, Color, Joint, Robot, Sphere, Vector3, Visual
from locoenvs.tasks.suite import SuiteRobot

LEGS = ("LF", "LH", "RF", "RH")
"""Left and right, front and hind."""


_BLACK: Color = (0.07, 0.07, 0.08, 1.0)
_GREY: Color = (0.30, 0.31, 0.33, 1.0)
_LIGHT: Color = (0.62, 0.63, 0.65, 1.0)
_RED: Color = (0.70, 0.06, 0.06, 1.0)
_GLASS: Color = (0.10, 0.20, 0.32, 1.0)


def _joint(name: str, axis: Vector3, velocity: float, default: float) -> Joint:
    """A drive of 80 N m. The description gives it no end stops: three turns are out of reach."""
    return Joint(name, axis, -9.42, 9.42, 80.0, velocity, default, stiffness=80.0, damping=2.0)


def _signs(leg: str) -> tuple[int, int]:
    """(+1 front, -1 hind), (+1 left, -1 right)."""
    return (1 if leg[1] == "F" else -1), (1 if leg[0] == "L" else -1)


def _bodies(leg: str) -> tuple[Body, ...]:
    f, s = _signs(leg)
    return (
        Body(
            f"{leg}_HIP", "base", (0.277 * f, 0.116 * s, 0.0),
            1.42462064, (0.064516 * f, -0.003787 * s, -0.000152),
            (0.00243023, 0.00230257, 0.00198068, -1.53024e-05 * f * s, -2.18191e-05 * f, 2.6473e-05 * s),
            _joint(f"{leg}_HAA", (1.0, 0.0, 0.0), 15.0, 0.0),
        ),
        Body(
            f"{leg}_THIGH", f"{leg}_HIP", (0.0635 * f, 0.041 * s, 0.0),
            1.634976, (-0.003898 * f, 0.054227 * s, -0.214583),
            (0.0120368, 0.0120644, 0.00249423, 6.76207e-05 * f * s, 0.000287806 * f, -0.0014061 * s),
            _joint(f"{leg}_HFE", (0.0, 1.0, 0.0), 20.0, 0.4 * f),
        ),
        Body(
            f"{leg}_SHANK", f"{leg}_THIGH", (0.0, 0.109 * s, -0.25),
            0.347375, (0.058733 * f, -0.010824 * s, -0.098064),
            (0.00685813, 0.00770431, 0.00101942, 3.2229e-05 * f * s, 0.00142869 * f, -0.000316237 * s),
            _joint(f"{leg}_KFE", (0.0, 1.0, 0.0), 20.0, -0.8 * f),
        ),
        Body(
            f"{leg}_FOOT", f"{leg}_SHANK", (0.1 * f, -0.02 * s, -0.32125),
            0.05, (0.0, 0.0, 0.02325), (0.001, 0.001, 8.3192e-06, 0.0, 0.0, 0.0),
        ),
    )  # fmt: skip


def _leg_spheres(leg: str) -> tuple[Sphere, ...]:
    f, s = _signs(leg)
    return (
        Sphere(f"{leg}_THIGH", (0.0, 0.069 * s, -0.22), 0.06),
        Sphere(f"{leg}_SHANK", (0.0, 0.0, 0.0), 0.06),  # knee
        Sphere(f"{leg}_SHANK", (0.1 * f, -0.02 * s, -0.16), 0.025),
        Sphere(f"{leg}_FOOT", (0.0, 0.0, 0.02325), 0.031),
    )


def _leg_visuals(leg: str) -> tuple[Visual, ...]:
    f, s = _signs(leg)
    hip, thigh, shank, foot = (f"{leg}_{part}" for part in ("HIP", "THIGH", "SHANK", "FOOT"))
    return (
        # the drive of the hip's flexion stands across at its end
        Visual(hip, "cylinder", (0.045, 0.02, 0.0), (0.005 * f, 0.0, 0.0), ALONG_X, _GREY),
        Visual(hip, "cylinder", (0.053, 0.05, 0.0), (0.0635 * f, 0.0, 0.0), ALONG_Y, _BLACK),
        Visual(hip, "cylinder", (0.055, 0.006, 0.0), (0.0635 * f, -0.045 * s, 0.0), ALONG_Y, _RED),
        # a slim thigh between two round drives, the knee's outside
        Visual(thigh, "cylinder", (0.05, 0.014, 0.0), (0.0, 0.016 * s, 0.0), ALONG_Y, _GREY),
        Visual(thigh, "box", (0.032, 0.009, 0.115), (0.0, 0.022 * s, -0.125), color=_LIGHT),
        Visual(thigh, "capsule", (0.016, 0.1, 0.0), (0.02 * f, 0.022 * s, -0.125), color=_BLACK),
        Visual(thigh, "cylinder", (0.053, 0.045, 0.0), (0.0, 0.058 * s, -0.25), ALONG_Y, _BLACK),
        Visual(thigh, "cylinder", (0.055, 0.006, 0.0), (0.0, 0.02 * s, -0.25), ALONG_Y, _RED),
        Visual(shank, "cylinder", (0.045, 0.01, 0.0), (0.0, 0.002 * s, 0.0), ALONG_Y, _GREY),
        Visual(shank, "box", (0.055, 0.009, 0.025), (0.05 * f, -0.004 * s, -0.003), color=_GREY),
        Visual(shank, "capsule", (0.019, 0.02, 0.0), (0.1 * f, -0.012 * s, -0.015), color=_GREY),
        Visual(shank, "cylinder", (0.0145, 0.125, 0.0), (0.1 * f, -0.02 * s, -0.16), color=_LIGHT),
        Visual(foot, "cylinder", (0.018, 0.02, 0.0), (0.0, 0.0, 0.05), color=_BLACK),
        Visual(foot, "sphere", (0.031, 0.0, 0.0), (0.0, 0.0, 0.02325), color=_BLACK),
    )


_BASE = Body(
    "base", None, (0.0, 0.0, 0.0),
    16.793508, (-0.001961, -0.001413, 0.050207),
    (0.217391, 0.639433, 0.624141, -0.00132873, -0.002282, -0.00138078),
)  # fmt: skip

_BASE_SPHERES = tuple(
    Sphere("base", (0.33 * x, 0.085 * y, z), 0.05) for x in (1, -1) for y in (1, -1) for z in (0.01, 0.15)
)
"""The corners of the body, 0.76 x 0.27 x 0.24 m with the drives of the hips."""


def _end_visuals(f: int) -> tuple[Visual, ...]:
    """What the front (+1) and the rear (-1) have alike: the hips' drives, two round sensor pods and a bumper."""
    return (
        *(Visual("base", "cylinder", (0.06, 0.06, 0.0), (0.215 * f, 0.116 * s, 0.0), ALONG_X, _BLACK) for s in (1, -1)),
        *(Visual("base", "cylinder", (0.045, 0.01, 0.0), (0.28 * f, 0.116 * s, 0.0), ALONG_X, _RED) for s in (1, -1)),
        Visual("base", "box", (0.05, 0.075, 0.055), (0.3 * f, 0.0, 0.1), color=_BLACK),
        Visual("base", "box", (0.006, 0.06, 0.02), (0.352 * f, 0.0, 0.12), color=_GLASS),
        Visual("base", "sphere", (0.016, 0.0, 0.0), (0.354 * f, 0.0, 0.08), color=_LIGHT),
        *(Visual("base", "capsule", (0.008, 0.075, 0.0), (0.37 * f, 0.0, z), ALONG_Y, _LIGHT) for z in (0.06, 0.16)),
        *(Visual("base", "capsule", (0.008, 0.05, 0.0), (0.37 * f, 0.075 * s, 0.11), color=_LIGHT) for s in (1, -1)),
        *(
            Visual("base", "capsule", (0.008, 0.03, 0.0), (0.34 * f, 0.075 * s, z), ALONG_X, _LIGHT)
            for s in (1, -1)
            for z in (0.06, 0.16)
        ),
    )  # fmt: skip


_BASE_VISUALS = (
    # a tall body with bevelled sides and a belly plate
    Visual("base", "box", (0.26, 0.1, 0.1), (0.0, 0.0, 0.085), color=_GREY),
    Visual("base", "box", (0.25, 0.13, 0.055), (0.0, 0.0, 0.09), color=_BLACK),
    *(Visual("base", "capsule", (0.025, 0.235, 0.0), (0.0, 0.105 * s, 0.155), ALONG_X, _BLACK) for s in (1, -1)),
    *(Visual("base", "box", (0.17, 0.003, 0.02), (0.0, 0.131 * s, 0.1), color=_RED) for s in (1, -1)),
    *(Visual("base", "box", (0.06, 0.004, 0.012), (0.0, 0.132 * s, 0.06), color=_LIGHT) for s in (1, -1)),
    Visual("base", "box", (0.2, 0.085, 0.01), (0.0, 0.0, -0.022), color=_BLACK),
    Visual("base", "box", (0.22, 0.09, 0.006), (0.0, 0.0, 0.19), color=_LIGHT),
    # roll cage with the lidar in front of it
    *(
        Visual("base", "capsule", (0.008, 0.035, 0.0), (-0.12 * x, 0.09 * s, 0.215), color=_LIGHT)
        for x in (0, 1)
        for s in (1, -1)
    ),
    *(Visual("base", "capsule", (0.008, 0.09, 0.0), (-0.12 * x, 0.0, 0.25), ALONG_Y, _LIGHT) for x in (0, 1)),
    *(Visual("base", "capsule", (0.008, 0.06, 0.0), (-0.06, 0.09 * s, 0.25), ALONG_X, _LIGHT) for s in (1, -1)),
    Visual("base", "cylinder", (0.04, 0.014, 0.0), (0.16, 0.0, 0.21), color=_BLACK),
    Visual("base", "cylinder", (0.034, 0.016, 0.0), (0.16, 0.0, 0.24), color=_GLASS),
    Visual("base", "cylinder", (0.036, 0.008, 0.0), (0.16, 0.0, 0.262), color=_BLACK),
    *_end_visuals(1),
    *_end_visuals(-1),
)

ANYMAL_B = Robot(
    name="anymal_b",
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
"""30.62 kg, twelve drives."""

SUITE = SuiteRobot("AnymalB", ANYMAL_B, payload=(-5.0, 5.0), drive="anydrive")
