"""Cassie (Agility Robotics): masses, frames and limits after the published description, reduced to twelve drives.

The real leg has five motors, and two springs in a closed linkage that couple knee and ankle. As in the code that the
paper's authors released, the linkage (its rods and springs are not in the description either) is left out and the ankle,
``ankle_joint``, is driven like the knee, ``thigh_joint``. A policy for this model does not fit the real robot.

Differences from the description, each with its reason:

- Its pelvis carries a body of 0.1 kg whose inertia no real body has: here it is a point at the same place.
- Its toe has 0.010449 kg m^2 about its joint, twenty times what the other two axes allow: that is 0.000449 of the toe
  and 0.01 for the motor. Here the toe has the former, and the joint the motor's inertia as published.
- ``armature`` is the published rotor inertia times the gear ratio squared, which the released code leaves out: without
  it the toe is too light for its gains at a physics step of 5 ms. The ankle has no motor and none.

x is forward, y left, z up; at joint angle zero every frame is parallel to the pelvis'.
"""

from __future__ import annotations

from locoenvs.tasks.robot import ALONG_X, ALONG_Y, Body, Color, Joint, Robot, Sphere, Vector3, Visual
from locoenvs.tasks.suite import SuiteRobot

SIDES = ("left", "right")


_WHITE: Color = (0.85, 0.85, 0.83, 1.0)
_GREY: Color = (0.45, 0.46, 0.48, 1.0)
_BLACK: Color = (0.08, 0.08, 0.09, 1.0)
_TEAL: Color = (0.10, 0.50, 0.55, 1.0)


_HIP_ROTOR = 6.1e-5 * 25**2
_LEG_ROTOR = 3.65e-4 * 16**2
_TOE_ROTOR = 4.9e-6 * 50**2
"""Rotor inertia times gear ratio squared, kg m^2."""

_FORWARD: Vector3 = (1.0, 0.0, 0.0)
_UP: Vector3 = (0.0, 0.0, 1.0)
_RIGHT: Vector3 = (0.0, -1.0, 0.0)


def _bodies(side: str) -> tuple[Body, ...]:
    s = 1 if side == "left" else -1
    inwards, outwards = -0.2618, 0.3927
    roll = (inwards, outwards) if s > 0 else (-outwards, -inwards)
    return (
        Body(
            f"{side}_pelvis_rotation", "pelvis", (-0.049, 0.135 * s, 0.0),
            1.82, (0.0257, 0.0001 * s, 0.0179),
            (0.00272, 0.00559, 0.00464, 7.03e-07 * s, 1.53e-06, 2.61e-06 * s),
            Joint(f"hip_abduction_{side}", _FORWARD, *roll, 112.0, 20.1475, 0.1 * s, 100.0, 3.0, _HIP_ROTOR),
        ),
        Body(
            f"{side}_hip", f"{side}_pelvis_rotation", (0.0, 0.0, -0.09),
            1.17, (0.0, 0.0, 0.0557),
            (0.00608, 0.00644, 0.000842, 0.0, -2.46e-07, 0.0),
            Joint(f"hip_rotation_{side}", _UP, -0.3927, 0.3927, 112.0, 20.1475, 0.0, 100.0, 3.0, _HIP_ROTOR),
        ),
        Body(
            f"{side}_thigh", f"{side}_hip", (0.0, 0.0, 0.0),
            5.52, (0.0001, 0.0358 * s, -0.0598),
            (0.0563, 0.0498, 0.018, 1.93e-05 * s, -0.000284, -0.0117 * s),
            Joint(f"hip_flexion_{side}", _RIGHT, -0.8727, 1.3963, 195.0, 20.5085, 1.0, 200.0, 6.0, _LEG_ROTOR),
        ),
        Body(
            f"{side}_shin", f"{side}_thigh", (0.0, -0.0045 * s, -0.12),
            0.577, (0.0012, -0.0002 * s, -0.1834),
            (0.0341, 0.0341, 0.00036, -2.65e-07 * s, -0.000334, -1.94e-07 * s),
            Joint(f"thigh_joint_{side}", _RIGHT, -2.8623, -0.6458, 195.0, 20.5085, -1.8, 200.0, 6.0, _LEG_ROTOR),
        ),
        Body(
            f"{side}_tarsus", f"{side}_shin", (0.02, 0.0, -0.4348),
            0.782, (-0.0306, 0.0013 * s, -0.1105),
            (0.0231, 0.0239, 0.00113, -3.62e-05 * s, 0.00288, -6.33e-05 * s),
            Joint(f"ankle_joint_{side}", _RIGHT, 0.6458, 2.8623, 195.0, 20.5085, 1.57, 200.0, 6.0),
        ),
        Body(
            f"{side}_toe", f"{side}_tarsus", (-0.04, 0.0, -0.408),
            0.15, (0.0275, 0.0001 * s, -0.0047),
            (0.000171, 0.000449, 0.000287, -1.72e-07 * s, 9.86e-05, -1.46e-06 * s),
            Joint(f"toe_joint_{side}", _RIGHT, -2.4435, -0.5236, 45.0, 20.5192, -1.57, 40.0, 1.0, _TOE_ROTOR),
        ),
    )  # fmt: skip


_HEEL: Vector3 = (-0.01125, 0.0, -0.07696)
_TIP: Vector3 = (0.07125, 0.0, 0.01696)
"""The ends of the toe's sole, 12.5 cm apart."""


def _leg_spheres(side: str) -> tuple[Sphere, ...]:
    return (
        Sphere(f"{side}_shin", (0.0, 0.0, 0.0), 0.06),  # knee
        Sphere(f"{side}_tarsus", (0.0, 0.0, 0.0), 0.04),  # ankle
        Sphere(f"{side}_toe", _HEEL, 0.02),
        Sphere(f"{side}_toe", _TIP, 0.02),
    )


def _leg_visuals(side: str) -> tuple[Visual, ...]:
    s = 1 if side == "left" else -1
    roll, hip, thigh, shin, tarsus, toe = (
        f"{side}_{part}" for part in ("pelvis_rotation", "hip", "thigh", "shin", "tarsus", "toe")
    )
    return (
        # three hip motors: abduction in the pelvis, rotation upright, flexion outside
        Visual(roll, "cylinder", (0.055, 0.04, 0.0), (0.03, 0.0, 0.0), ALONG_X, _WHITE),
        Visual(roll, "cylinder", (0.045, 0.045, 0.0), (0.0, 0.0, -0.035), color=_GREY),
        Visual(hip, "cylinder", (0.05, 0.03, 0.0), (0.0, 0.0, 0.02), color=_WHITE),
        Visual(thigh, "cylinder", (0.07, 0.045, 0.0), (0.0, 0.05 * s, 0.0), ALONG_Y, _WHITE),
        Visual(thigh, "cylinder", (0.055, 0.006, 0.0), (0.0, 0.098 * s, 0.0), ALONG_Y, _TEAL),
        Visual(thigh, "box", (0.045, 0.035, 0.06), (0.0, 0.03 * s, -0.06), color=_WHITE),
        Visual(thigh, "cylinder", (0.066, 0.042, 0.0), (0.0, 0.03 * s, -0.12), ALONG_Y, _WHITE),
        Visual(thigh, "cylinder", (0.05, 0.006, 0.0), (0.0, 0.075 * s, -0.12), ALONG_Y, _TEAL),
        # a long thin shin, a leaf spring beside it, the tarsus backwards like a bird's
        Visual(shin, "cylinder", (0.045, 0.022, 0.0), (0.0, 0.0, 0.0), ALONG_Y, _BLACK),
        Visual(shin, "capsule", (0.02, 0.205, 0.0), (0.01, 0.0, -0.22), (0.99974, 0.0, -0.023, 0.0), _GREY),
        Visual(shin, "capsule", (0.008, 0.16, 0.0), (0.045, 0.0, -0.2), (0.99974, 0.0, -0.023, 0.0), _BLACK),
        Visual(tarsus, "cylinder", (0.036, 0.024, 0.0), (0.0, 0.0, 0.0), ALONG_Y, _BLACK),
        Visual(tarsus, "capsule", (0.024, 0.19, 0.0), (-0.025, 0.0, -0.2), (0.99875, 0.0, 0.05, 0.0), _WHITE),
        Visual(tarsus, "capsule", (0.008, 0.16, 0.0), (-0.06, 0.0, -0.21), (0.99875, 0.0, 0.05, 0.0), _BLACK),
        Visual(toe, "cylinder", (0.026, 0.018, 0.0), (0.0, 0.0, 0.0), ALONG_Y, _GREY),
        Visual(toe, "capsule", (0.014, 0.032, 0.0), (0.012, 0.0, -0.014), (0.924, 0.0, -0.383, 0.0), _GREY),
        Visual(toe, "capsule", (0.02, 0.0625, 0.0), (0.03, 0.0, -0.03), (0.9355, 0.0, 0.3533, 0.0), _BLACK),
    )


_PELVIS = Body(
    "pelvis", None, (0.0, 0.0, 0.0),
    10.43, (0.051002, 0.0, 0.027633),
    (0.0948332, 0.0847318, 0.1130986, 0.000169, 0.0152499, 0.000516),
)  # fmt: skip

_PELVIS_VISUALS = (
    # an upright torso of batteries and computers on a slim frame
    Visual("pelvis", "box", (0.07, 0.075, 0.085), (0.06, 0.0, 0.06), color=_WHITE),
    Visual("pelvis", "ellipsoid", (0.105, 0.12, 0.135), (0.055, 0.0, 0.06), color=_WHITE),
    Visual("pelvis", "box", (0.02, 0.06, 0.05), (0.14, 0.0, 0.07), color=_BLACK),
    Visual("pelvis", "box", (0.004, 0.045, 0.006), (0.161, 0.0, 0.1), color=_TEAL),
    Visual("pelvis", "box", (0.03, 0.15, 0.035), (0.0, 0.0, 0.0), color=_GREY),
    *(Visual("pelvis", "cylinder", (0.05, 0.045, 0.0), (0.03, 0.135 * s, 0.0), ALONG_X, _GREY) for s in (1, -1)),
    # the handle on top
    *(Visual("pelvis", "capsule", (0.008, 0.03, 0.0), (0.055, 0.06 * s, 0.2), color=_BLACK) for s in (1, -1)),
    Visual("pelvis", "capsule", (0.008, 0.06, 0.0), (0.055, 0.0, 0.23), ALONG_Y, _BLACK),
)

CASSIE = Robot(
    name="cassie",
    bodies=(_PELVIS, *(body for side in SIDES for body in _bodies(side))),
    spheres=(Sphere("pelvis", (0.0, 0.0, 0.0), 0.25), *(sphere for side in SIDES for sphere in _leg_spheres(side))),
    feet=tuple(f"{side}_toe" for side in SIDES),
    penalized=(),
    terminating=("pelvis",),
    start_height=1.0,
    action_scale=0.5,
    visuals=(*_PELVIS_VISUALS, *(visual for side in SIDES for visual in _leg_visuals(side))),
    mirror=tuple(
        (f"{joint}_{'right' if side == 'left' else 'left'}", sign)
        for side in SIDES
        for joint, sign in (
            ("hip_abduction", -1.0),
            ("hip_rotation", -1.0),
            ("hip_flexion", 1.0),
            ("thigh_joint", 1.0),
            ("ankle_joint", 1.0),
            ("toe_joint", 1.0),
        )
    ),
)
"""30.47 kg, twelve drives."""

SUITE = SuiteRobot(
    "Cassie",
    CASSIE,
    weights={
        "angular_velocity_tracking": 1.0,
        "linear_velocity_penalty": -0.5,
        "angular_velocity_penalty": 0.0,
        "joint_motion": -2e-7,
        "joint_torques": -5e-6,
        "feet_air_time": 5.0,
        "orientation": 0.0,
        "joint_limits": -1.0,
        "termination": -200.0,
        "single_foot": 0.25,
    },
    changes={"rewards.terms.joint_limits.parameters.soft_limit": 0.95, "rewards.clip_at_zero": False},
)
