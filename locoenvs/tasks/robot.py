"""What a robot is: bodies, joints, contact spheres and visuals, as data.

A robot is one file under :mod:`locoenvs.tasks.robots` that builds a :class:`Robot`. Every backend compiles its own model
from it, so the same numbers reach every engine. All quantities are SI; quaternions are wxyz.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Unknown fields, infinities and NaN are errors in every part of a task."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
"""Every number has bounds, generous ones: beyond them an engine overflows, hangs or gives infinite rewards."""
Positive = Annotated[float, Field(gt=0, le=1e6)]
NonNegative = Annotated[float, Field(ge=0, le=1e6)]
Angle = Annotated[float, Field(ge=-1e3, le=1e3)]
Mass = Annotated[float, Field(gt=0, le=1e5)]
Radius = Annotated[float, Field(ge=1e-4, le=10)]
Unit = Annotated[float, Field(ge=-1.1, le=1.1)]
Share = Annotated[float, Field(ge=0, le=1)]
Place = Annotated[float, Field(ge=-100, le=100)]

Vector3 = tuple[Place, Place, Place]
Quaternion = tuple[Unit, Unit, Unit, Unit]
Color = tuple[Share, Share, Share, Share]
"""Red, green, blue and opacity, each in [0, 1]."""

ALONG_X: Quaternion = (0.70710678, 0.0, 0.70710678, 0.0)
"""Turns a cylinder's or capsule's axis from z to x."""
ALONG_Y: Quaternion = (0.70710678, 0.70710678, 0.0, 0.0)
"""Turns a cylinder's or capsule's axis from z to y."""


@dataclass(frozen=True, config=CONFIG)
class Joint:
    """A hinge that moves a body against its parent.

    ``axis`` is a unit vector in the body's frame; the hinge passes through the body's origin. ``lower`` and ``upper`` in
    rad, ``torque_limit`` in N m, ``velocity_limit`` in rad/s, ``default`` (the pose the actions are offsets of) in
    rad, ``stiffness`` (Kp) in N m/rad, ``damping`` (Kd) in N m s/rad, ``armature`` in kg m^2.
    """

    name: Name
    axis: Vector3
    lower: Angle
    upper: Angle
    torque_limit: Positive
    velocity_limit: Positive
    default: Angle
    stiffness: NonNegative
    damping: NonNegative
    armature: NonNegative = 0.0

    def __post_init__(self) -> None:
        if not self.lower < self.upper:
            raise ValueError(f"joint {self.name!r}: lower {self.lower} must be below upper {self.upper} (rad)")
        if not self.lower <= self.default <= self.upper:
            raise ValueError(
                f"joint {self.name!r}: default {self.default} is outside its range [{self.lower}, {self.upper}] (rad)"
            )


@dataclass(frozen=True, config=CONFIG)
class Body:
    """A rigid body. Its frame stands at ``position`` (m) in the parent's frame, parallel to it at joint angle zero.

    ``center_of_mass`` (m) is in the body's frame; ``inertia`` (kg m^2) is the full matrix about the center of mass in the
    body's axes: ixx, iyy, izz, ixy, ixz, iyz. A body without ``joint`` is welded to its parent (a foot); the root has
    no parent and moves freely.
    """

    name: Name
    parent: Name | None
    position: Vector3
    mass: Mass
    center_of_mass: Vector3
    inertia: tuple[Number, Number, Number, Number, Number, Number]
    joint: Joint | None = None


@dataclass(frozen=True, config=CONFIG)
class Sphere:
    """A contact sphere, the only shape that touches the ground: center (m) in the body's frame, radius (m)."""

    body: Name
    position: Vector3
    radius: Radius


@dataclass(frozen=True, config=CONFIG)
class Visual:
    """A shape that is drawn and never touches anything.

    ``size`` (m) is: box, ellipsoid: half extents; sphere: (radius, 0, 0); cylinder, capsule: (radius, half length, 0).
    ``rotation`` is a wxyz quaternion, ``color`` is rgba in [0, 1].
    """

    body: Name
    shape: Literal["box", "sphere", "cylinder", "capsule", "ellipsoid"]
    size: Vector3
    position: Vector3
    rotation: Quaternion = (1.0, 0.0, 0.0, 0.0)
    color: Color = (0.2, 0.2, 0.2, 1.0)


@dataclass(frozen=True, config=CONFIG)
class Robot:
    """A legged robot as data.

    ``bodies`` come parents first; the order of their joints is the order of every joint array of the task.
    ``feet``, ``penalized`` and ``terminating`` name bodies: feet earn air time, contacts of penalized bodies cost reward,
    contacts of terminating bodies end the episode. ``start_height`` is the base's height (m) above the ground at the
    start of an episode; ``action_scale`` is rad per unit of action. ``mirror`` maps each joint to its left-right
    mirror image as (joint name, sign), in joint order; empty if the robot has no such symmetry.
    """

    name: Name
    bodies: Annotated[tuple[Body, ...], Field(min_length=1, max_length=200)]
    spheres: Annotated[tuple[Sphere, ...], Field(min_length=1, max_length=500)]
    feet: Annotated[tuple[Name, ...], Field(max_length=200)]
    penalized: Annotated[tuple[Name, ...], Field(max_length=200)]
    terminating: Annotated[tuple[Name, ...], Field(max_length=200)]
    start_height: Annotated[float, Field(gt=0, le=100)]
    action_scale: Annotated[float, Field(gt=0, le=100)]
    visuals: Annotated[tuple[Visual, ...], Field(max_length=2000)] = ()
    mirror: Annotated[tuple[tuple[Name, Unit], ...], Field(max_length=200)] = ()

    def __post_init__(self) -> None:
        names = [body.name for body in self.bodies]
        if len(set(names)) != len(names):
            raise ValueError(f"robot {self.name!r}: body names must be unique, got {names}")
        seen: set[str] = set()
        for index, body in enumerate(self.bodies):
            if index == 0:
                if body.parent is not None or body.joint is not None:
                    raise ValueError(
                        f"robot {self.name!r}: the first body, {body.name!r}, is the free root: no parent, no joint"
                    )
            elif body.parent not in seen:
                raise ValueError(
                    f"body {body.name!r}: parent {body.parent!r} must be one of the bodies before it: {sorted(seen)}"
                )
            seen.add(body.name)
        joints = list(self.joint_names)
        if not joints:
            raise ValueError(f"robot {self.name!r}: no body has a joint, so there is nothing to act on")
        if len(set(joints)) != len(joints):
            raise ValueError(f"robot {self.name!r}: joint names must be unique, got {joints}")
        spheres_on = {sphere.body for sphere in self.spheres}
        for field in ("feet", "penalized", "terminating"):
            if twice := sorted(name for name, times in Counter(getattr(self, field)).items() if times > 1):
                raise ValueError(f"robot {self.name!r}: {field} names {twice} twice: name each body once")
            for name in getattr(self, field):
                if name not in seen:
                    raise ValueError(f"robot {self.name!r}: {field} names {name!r}; its bodies are {names}")
                if name not in spheres_on:
                    raise ValueError(f"robot {self.name!r}: {field} names {name!r}, which has no contact sphere")
        if both := sorted(set(self.feet) & set(self.penalized)):
            raise ValueError(
                f"robot {self.name!r}: {both} are feet and penalized: a foot must touch the ground, take it out of one"
            )
        parts: tuple[Sphere | Visual, ...] = (*self.spheres, *self.visuals)
        for part in parts:
            if part.body not in seen:
                raise ValueError(
                    f"robot {self.name!r}: a {type(part).__name__.lower()} names body {part.body!r}; its bodies are {names}"
                )
        if self.mirror and sorted(name for name, _ in self.mirror) != sorted(joints):
            given = [name for name, _ in self.mirror]
            wrong = sorted(set(given) ^ set(joints)) or sorted(
                name for name, times in Counter(given).items() if times > 1
            )
            raise ValueError(f"robot {self.name!r}: mirror must name every joint once: {joints}; look at {wrong}")

    @property
    def joints(self) -> tuple[Joint, ...]:
        """The joints, in the order of every joint array."""
        return tuple(body.joint for body in self.bodies if body.joint is not None)

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @property
    def contact_bodies(self) -> tuple[str, ...]:
        """The bodies whose contact force a backend reports, in this order."""
        touching = {sphere.body for sphere in self.spheres}
        return tuple(body.name for body in self.bodies if body.name in touching)

    @property
    def mass(self) -> float:
        """Total mass, kg."""
        return sum(body.mass for body in self.bodies)
