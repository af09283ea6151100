"""ANYmal C: a quadruped of 52 kg with series-elastic drives (ANYbotics).

Masses, inertias, frames and torque limits are those of the published description (anymal_c_simple_description), lumped
into one body a joint and one a foot. All frames are parallel to the base when all joints are at zero; the four legs are
mirror images of the left fore leg, which differ from the description by less than 1 %. The description gives no joint
range: the ranges here are wide and only keep a leg from winding up.
"""

from __future__ import annotations

from locoenvs.robot import Body, Joint, Robot, Sphere, Visual

RED, DARK, STEEL, BLACK = (0.62, 0.05, 0.05, 1.0), (0.13, 0.13, 0.14, 1.0), (0.45, 0.46, 0.48, 1.0), (0.04, 0.04, 0.04, 1.0)
FORWARD = (0.7071068, 0.0, 0.7071068, 0.0)  # turns a cylinder's axis from z to x
SIDEWAYS = (0.7071068, 0.7071068, 0.0, 0.0)  # and to y
FOOT_RADIUS = 0.03


def _leg(name: str, fore: int, left: int) -> tuple[list[Body], list[Sphere], list[Visual]]:
    """One leg; ``fore`` and ``left`` are 1 or -1 and mirror the left fore leg."""

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        return fore * x, left * y, z

    def inertia(
        xx: float, yy: float, zz: float, xy: float, xz: float, yz: float
    ) -> tuple[float, float, float, float, float, float]:
        return xx, yy, zz, fore * left * xy, fore * xz, left * yz

    def joint(kind: str, axis: tuple[float, float, float], limit: float, default: float) -> Joint:
        return Joint(f"{name}_{kind}", axis, -limit, limit, 80.0, 20.0, default, stiffness=80.0, damping=2.0)

    hip, thigh, shank, foot = (f"{name}_{part}" for part in ("HIP", "THIGH", "SHANK", "FOOT"))
    bodies = [
        Body(hip, "base", at(0.2999, 0.104, 0.0), 2.781, at(0.05671, 0.01739, -0.00046),
             inertia(0.0032955, 0.0049392, 0.0058339, -4.478e-5, -9.9e-5, 1.3581e-4),
             joint("HAA", (1, 0, 0), 1.2, 0.0)),
        Body(thigh, hip, at(0.0599, 0.08381, 0.0), 3.071, at(0.0, 0.03081, -0.24570),
             inertia(0.029904, 0.0295638, 0.0048611, -4.434e-5, -1.046e-4, 0.0041424),
             joint("HFE", (0, 1, 0), 3.1, 0.4 * fore)),
        Body(shank, thigh, at(0.0, 0.1003, -0.285), 0.33842, at(0.03453, 0.00686, 0.00098),
             inertia(3.28528e-4, 1.111938e-3, 8.96128e-4, 2.1188e-5, 1.336e-5, 6.93e-8),
             joint("KFE", (0, 1, 0), 3.1, -0.8 * fore)),
        Body(foot, shank, at(0.08795, 0.01305, -0.31547), 0.25, at(0.00948, -0.00948, 0.12430),
             inertia(0.00317174, 0.00317174, 8.3192e-5, 2.6305e-6, 6.81558e-5, 6.81558e-5)),
    ]  # fmt: skip
    spheres = [
        Sphere(foot, (0.0, 0.0, 0.0), FOOT_RADIUS),
        Sphere(shank, at(0.0, 0.03, 0.0), 0.06),
        Sphere(shank, at(0.09, 0.013, -0.14), 0.025),
        Sphere(thigh, at(0.0, 0.03, -0.14), 0.06),
    ]
    visuals = [
        Visual(hip, "cylinder", (0.058, 0.05, 0), at(-0.02, 0.0, 0.0), FORWARD, DARK),
        Visual(hip, "cylinder", (0.06, 0.048, 0), at(0.0599, 0.055, 0.0), SIDEWAYS, DARK),
        Visual(hip, "cylinder", (0.046, 0.004, 0), at(0.0599, 0.001, 0.0), SIDEWAYS, RED),
        Visual(thigh, "cylinder", (0.055, 0.03, 0), at(0.0, 0.04, 0.0), SIDEWAYS, BLACK),
        Visual(thigh, "box", (0.034, 0.022, 0.125), at(0.0, 0.045, -0.14), color=DARK),
        Visual(thigh, "box", (0.036, 0.008, 0.07), at(0.0, 0.062, -0.15), color=RED),
        Visual(thigh, "cylinder", (0.058, 0.042, 0), at(0.0, 0.045, -0.285), SIDEWAYS, DARK),
        Visual(thigh, "cylinder", (0.044, 0.046, 0), at(0.0, 0.045, -0.285), SIDEWAYS, STEEL),
        Visual(shank, "cylinder", (0.045, 0.018, 0), at(0.0, 0.0, 0.0), SIDEWAYS, BLACK),
        Visual(shank, "capsule", (0.022, 0.045, 0), at(0.045, 0.006, -0.01), FORWARD, DARK),
        Visual(shank, "capsule", (0.016, 0.135, 0), at(0.088, 0.013, -0.15), color=BLACK),
        Visual(foot, "sphere", (FOOT_RADIUS, 0, 0), (0.0, 0.0, 0.0), color=STEEL),
    ]
    return bodies, spheres, visuals


BASE = Body(
    "base",
    None,
    (0.0, 0.0, 0.0),
    26.37317,
    (-0.01779, -0.00018, 0.00850),
    (0.216712, 1.785162, 1.833699, 0.0092238, 0.0589332, -1.63778e-4),
)

BASE_SPHERES = [
    *(Sphere("base", (x, y, 0.0), 0.09) for x in (0.36, -0.36) for y in (0.16, -0.16)),
    *(Sphere("base", (x, 0.0, 0.0), 0.1) for x in (0.45, -0.45)),
    *(Sphere("base", (x, 0.0, -0.05), 0.08) for x in (0.25, 0.0, -0.25)),
    Sphere("base", (0.36, 0.0, 0.1), 0.06),
    Sphere("base", (-0.364, 0.0, 0.14), 0.06),
]

BASE_VISUALS = [
    Visual("base", "box", (0.33, 0.085, 0.075), (0.0, 0.0, 0.0), color=DARK),
    Visual("base", "box", (0.27, 0.105, 0.03), (-0.01, 0.0, 0.05), color=RED),
    Visual("base", "box", (0.24, 0.08, 0.012), (-0.01, 0.0, 0.09), color=BLACK),
    Visual("base", "box", (0.28, 0.095, 0.02), (0.0, 0.0, -0.08), color=BLACK),
    *(Visual("base", "box", (0.055, 0.09, 0.075), (x, 0.0, 0.0), color=DARK) for x in (0.43, -0.43)),
    *(Visual("base", "box", (0.012, 0.075, 0.055), (x, 0.0, 0.0), color=RED) for x in (0.487, -0.487)),
    *(Visual("base", "cylinder", (0.018, 0.008, 0), (x, y, 0.025), FORWARD, BLACK)
      for x in (0.498, -0.498) for y in (0.03, -0.03)),
    *(Visual("base", "box", (0.008, 0.045, 0.012), (x, 0.0, -0.03), color=BLACK) for x in (0.498, -0.498)),
    Visual("base", "cylinder", (0.052, 0.036, 0), (-0.364, 0.0, 0.142), color=BLACK),
    Visual("base", "cylinder", (0.054, 0.008, 0), (-0.364, 0.0, 0.142), color=STEEL),
    *(Visual("base", "capsule", (0.008, 0.055, 0), (x, y, 0.125), color=STEEL)
      for x in (-0.30, -0.43) for y in (0.07, -0.07)),
    *(Visual("base", "capsule", (0.008, 0.065, 0), (-0.365, y, 0.185), FORWARD, STEEL) for y in (0.07, -0.07)),
    *(Visual("base", "capsule", (0.009, 0.03, 0), (0.378, y, 0.11), color=STEEL) for y in (0.07, -0.07)),
    Visual("base", "capsule", (0.011, 0.07, 0), (0.378, 0.0, 0.145), SIDEWAYS, STEEL),
    *(Visual("base", "box", (0.02, 0.01, 0.015), (0.0, y, 0.03), color=BLACK) for y in (0.11, -0.11)),
]  # fmt: skip

_LEGS = [_leg(name, fore, left) for name, fore, left in (("LF", 1, 1), ("LH", -1, 1), ("RF", 1, -1), ("RH", -1, -1))]

ANYMAL_C = Robot(
    name="anymal_c",
    bodies=(BASE, *(body for bodies, _, _ in _LEGS for body in bodies)),
    spheres=(*BASE_SPHERES, *(sphere for _, spheres, _ in _LEGS for sphere in spheres)),
    visuals=(*BASE_VISUALS, *(visual for _, _, visuals in _LEGS for visual in visuals)),
    feet=("LF_FOOT", "LH_FOOT", "RF_FOOT", "RH_FOOT"),
    penalized=tuple(f"{leg}_{part}" for leg in ("LF", "LH", "RF", "RH") for part in ("THIGH", "SHANK")),
    terminating=("base",),
    start_height=0.6,
    action_scale=0.5,
    mirror=tuple(
        (f"{image}_{kind}", -1.0 if kind == "HAA" else 1.0)
        for image in ("RF", "RH", "LF", "LH")
        for kind in ("HAA", "HFE", "KFE")
    ),
)
