"""ANYmal C with an arm on its back that is held still: a fifth more weight, most of it high and in front.

The arm is our own: three links folded over the back, made of solid cylinders whose masses make 10.4 kg, one body welded
to the base. It touches the ground by a few spheres, and like the base's that ends the episode.
"""

from __future__ import annotations

import dataclasses
import math

from locoenvs.tasks.robot import Body, Color, Robot, Sphere, Vector3, Visual
from locoenvs.tasks.robots.anymal_c import ANYMAL_C
from locoenvs.tasks.suite import SuiteRobot

_LIGHT: Color = (0.72, 0.73, 0.75, 1.0)
_DARK: Color = (0.13, 0.13, 0.15, 1.0)
_RED: Color = (0.72, 0.07, 0.07, 1.0)

_MOUNT: Vector3 = (0.2, 0.0, 0.11)
"""Where the arm stands on the base."""

_SHOULDER: Vector3 = (0.0, 0.0, 0.11)
_ELBOW: Vector3 = (-0.36, 0.0, 0.19)
_WRIST: Vector3 = (-0.06, 0.0, 0.25)
_TIP: Vector3 = (0.12, 0.0, 0.25)

_LINKS: tuple[tuple[float, Vector3, Vector3, float], ...] = (
    (2.9, (0.0, 0.0, 0.0), _SHOULDER, 0.055),
    (3.7, _SHOULDER, _ELBOW, 0.045),
    (2.4, _ELBOW, _WRIST, 0.035),
    (1.4, _WRIST, _TIP, 0.035),
)
"""Mass (kg), ends (m from the mount) and radius (m) of pedestal, upper arm, forearm and gripper."""


def _lump() -> tuple[float, Vector3, tuple[float, float, float, float, float, float]]:
    """Mass, center and inertia of all links, which lie in the plane y = 0.

    A cylinder of mass m, radius r and length l along u has m (3 r^2 + l^2) / 12 across its axis and m r^2 / 2 along it.
    """
    mass = sum(m for m, *_ in _LINKS)
    x, z = (sum(m * (a[k] + b[k]) / 2 for m, a, b, _ in _LINKS) / mass for k in (0, 2))
    xx = yy = zz = xz = 0.0
    for m, a, b, radius in _LINKS:
        length = math.hypot(b[0] - a[0], b[2] - a[2])
        ux, uz = (b[0] - a[0]) / length, (b[2] - a[2]) / length
        across, along = m * (3 * radius**2 + length**2) / 12, m * radius**2 / 2
        dx, dz = (a[0] + b[0]) / 2 - x, (a[2] + b[2]) / 2 - z
        xx += across + (along - across) * ux * ux + m * dz * dz
        zz += across + (along - across) * uz * uz + m * dx * dx
        yy += across + m * (dx * dx + dz * dz)
        xz += (along - across) * ux * uz - m * dx * dz
    center = (round(x, 6), 0.0, round(z, 6))
    return round(mass, 6), center, (round(xx, 6), round(yy, 6), round(zz, 6), 0.0, round(xz, 6), 0.0)


def _link_visual(start: Vector3, end: Vector3, radius: float, color: Color) -> Visual:
    """A capsule from one end to the other, in the plane y = 0."""
    dx, dz = end[0] - start[0], end[2] - start[2]
    half = math.atan2(dx, dz) / 2
    middle = ((start[0] + end[0]) / 2, 0.0, (start[2] + end[2]) / 2)
    rotation = (math.cos(half), 0.0, math.sin(half), 0.0)
    return Visual("ARM", "capsule", (radius, math.hypot(dx, dz) / 2, 0.0), middle, rotation, color)


_ACROSS = (0.70710678, 0.70710678, 0.0, 0.0)
"""Turns a cylinder's axis from z to y."""

_VISUALS = (
    Visual("ARM", "box", (0.09, 0.08, 0.012), (0.0, 0.0, -0.01), color=_DARK),
    Visual("ARM", "cylinder", (0.062, 0.04, 0.0), (0.0, 0.0, 0.04), color=_LIGHT),
    Visual("ARM", "cylinder", (0.064, 0.006, 0.0), (0.0, 0.0, 0.015), color=_RED),
    _link_visual(_SHOULDER, _ELBOW, 0.042, _LIGHT),
    _link_visual(_ELBOW, _WRIST, 0.034, _LIGHT),
    *(
        Visual("ARM", "cylinder", (radius, radius + 0.02, 0.0), at, _ACROSS, _DARK)
        for at, radius in ((_SHOULDER, 0.056), (_ELBOW, 0.05), (_WRIST, 0.04))
    ),
    Visual("ARM", "cylinder", (0.03, 0.04, 0.0), (0.0, 0.0, 0.25), (0.70710678, 0.0, 0.70710678, 0.0), _DARK),
    *(Visual("ARM", "box", (0.05, 0.008, 0.012), (0.085, 0.025 * s, 0.25), color=_DARK) for s in (1, -1)),
)

_MASS, _CENTER, _INERTIA = _lump()

_ARM = Body("ARM", ANYMAL_C.bodies[0].name, _MOUNT, _MASS, _CENTER, _INERTIA)

_SPHERES = tuple(
    Sphere("ARM", at, radius) for at, radius in ((_ELBOW, 0.06), (_WRIST, 0.05), ((0.11, 0.0, 0.25), 0.035))
)

ANYMAL_C_ARM: Robot = dataclasses.replace(
    ANYMAL_C,
    name="anymal_c_arm",
    bodies=(ANYMAL_C.bodies[0], _ARM, *ANYMAL_C.bodies[1:]),
    spheres=(*ANYMAL_C.spheres, *_SPHERES),
    terminating=(*ANYMAL_C.terminating, "ARM"),
    visuals=(*ANYMAL_C.visuals, *_VISUALS),
)
"""62.53 kg, twelve drives."""

SUITE = SuiteRobot("AnymalCArm", ANYMAL_C_ARM, payload=(-5.0, 5.0), drive="anydrive")
