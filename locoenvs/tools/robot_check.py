"""Whether a robot's data describe a machine that can walk: checks of the numbers, and a few seconds in physics."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.kinematics import frames
from locoenvs.numerics.arrays import Array, convert
from locoenvs.tasks.robot import Robot, Visual
from locoenvs.tasks.task import (
    Curriculum,
    Observations,
    PDActuator,
    Randomization,
    Rewards,
    Start,
    Task,
    Terrain,
    Timing,
)

SETTLE, STAND = 2.0, 5.0
"""Seconds that the robot has to come to rest, and then to stay there."""
DRIFT = 0.02
"""How far it may drift meanwhile, m."""
_GRAVITY = 9.81
_ROBOTS = 16
"""How many robots random actions are tried on."""


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it is as it should be, and what was found, in numbers."""

    name: str
    passed: bool
    finding: str

    @property
    def found(self) -> str:
        """What version 0.1.0 called :attr:`finding`. Goes with version 0.3."""
        warnings.warn("Check.found is Check.finding now", DeprecationWarning, stacklevel=2)
        return self.finding


def check_robot(robot: Robot, backend: str = "auto") -> tuple[list[Check], np.ndarray | str]:
    """The checks of a robot, and a picture of it standing (height, width, 3), or why nothing can be drawn."""
    checks = [_mass(robot), _inertia(robot), _axes(robot), _ranges(robot), _feet(robot), _balance(robot)]
    checks.append(_symmetry(robot))
    env = LocoVectorEnv(
        _quiet(drawable(robot)), 1, backend=backend, stagger=False, autoreset_mode="disabled", render_mode="rgb_array"
    )
    try:
        standing, torque = _standing(env)
        picture = _picture(env)
    finally:
        env.close()
    checks += [standing, torque, _violent(robot, backend)]
    return checks, picture


def _mass(robot: Robot) -> Check:
    masses = {body.name: body.mass for body in robot.bodies}
    light, heavy = min(masses, key=masses.__getitem__), max(masses, key=masses.__getitem__)
    return Check(
        "mass",
        1.0 < robot.mass < 500.0 and masses[heavy] < 1e5 * masses[light],
        f"{robot.mass:.4g} kg in {len(masses)} bodies, from {masses[light]:.3g} ({light}) to {masses[heavy]:.3g} ({heavy})",
    )


def _matrix(inertia: tuple[float, ...]) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = inertia
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _inertia(robot: Robot) -> Check:
    """Moments are positive, none exceeds the sum of the others, and no body is larger than the robot could be."""
    wrong = []
    for body in robot.bodies:
        moments = np.linalg.eigvalsh(_matrix(body.inertia))
        if moments[0] <= 0:
            wrong.append(f"{body.name}: principal moments {np.round(moments, 7)} are not all positive")
        elif moments[0] + moments[1] < moments[2] * (1 - 1e-3):
            wrong.append(f"{body.name}: {moments[2]:.3g} is more than {moments[0]:.3g} + {moments[1]:.3g} kg m^2")
        elif np.sqrt(moments[2] / body.mass) > 1.0:
            wrong.append(f"{body.name}: {moments[2]:.3g} kg m^2 at {body.mass:.3g} kg is a body of metres: grams, mm?")
    return Check("inertia", not wrong, "; ".join(wrong) or "every one is that of a real body")


def _axes(robot: Robot) -> Check:
    lengths = {joint.name: float(np.linalg.norm(joint.axis)) for joint in robot.joints}
    wrong = [f"{name}: length {length:.3g}" for name, length in lengths.items() if abs(length - 1) > 1e-3]
    return Check("axes", not wrong, "; ".join(wrong) or f"{len(lengths)} unit vectors")


def _ranges(robot: Robot) -> Check:
    """The default pose keeps away from the end stops."""
    tight = []
    for joint in robot.joints:
        room = min(joint.default - joint.lower, joint.upper - joint.default)
        if room < 0.05:
            tight.append(f"{joint.name}: default {joint.default:.3g} in [{joint.lower:.3g}, {joint.upper:.3g}] rad")
    widest = max(joint.upper - joint.lower for joint in robot.joints)
    narrow = min(joint.upper - joint.lower for joint in robot.joints)
    return Check(
        "ranges", not tight, "; ".join(tight) or f"{narrow:.3g} to {widest:.3g} rad, the default pose well inside"
    )


def _lowest(robot: Robot) -> dict[str, float]:
    """Height of the lowest point of each body with spheres above the ground at the start, m."""
    placed = frames(robot.bodies)
    lowest: dict[str, float] = {}
    for sphere in robot.spheres:
        turn, at = placed[sphere.body]
        height = robot.start_height + float((at + turn @ np.array(sphere.position))[2]) - sphere.radius
        lowest[sphere.body] = min(height, lowest.get(sphere.body, np.inf))
    return lowest


def _feet(robot: Robot) -> Check:
    """At the start the feet are the lowest, level, and a little above the ground."""
    lowest = _lowest(robot)
    feet = [lowest.pop(foot) for foot in robot.feet]
    if not feet:
        return Check("feet", False, "the robot names no feet")
    said = f"{100 * min(feet):.1f} to {100 * max(feet):.1f} cm above the ground at the start"
    if min(feet) < 0:
        return Check("feet", False, f"{said}: in the ground; raise start_height by {-min(feet):.3f} m")
    if max(feet) > 0.25:
        return Check("feet", False, f"{said}: a fall; lower start_height {robot.start_height}")
    if max(feet) - min(feet) > 0.03:
        return Check("feet", False, f"{said}: not level; change the default pose")
    under = [name for name, height in lowest.items() if height < min(feet)]
    return Check("feet", not under, f"{said}; lower than a foot: {', '.join(under)}" if under else said)


def _balance(robot: Robot) -> Check:
    """The center of mass of the default pose is above the feet."""
    if not robot.feet:
        return Check("balance", False, "the robot names no feet to be above")
    placed = frames(robot.bodies)
    center = sum(
        body.mass * (placed[body.name][1] + placed[body.name][0] @ body.center_of_mass) for body in robot.bodies
    )
    center = np.asarray(center) / robot.mass
    points = np.array(
        [
            placed[sphere.body][1] + placed[sphere.body][0] @ sphere.position
            for sphere in robot.spheres
            if sphere.body in robot.feet
        ]
    )
    (x, y), (left, right) = center[:2], (points[:, :2].min(axis=0), points[:, :2].max(axis=0))
    inside = bool((center[:2] >= left - 1e-9).all() and (center[:2] <= right + 1e-9).all())
    room = 100 * float(min((center[:2] - left).min(), (right - center[:2]).min()))
    return Check("balance", inside, f"center of mass at ({x:.3f}, {y:.3f}) m, {room:.1f} cm inside its feet")


def _symmetry(robot: Robot) -> Check:
    """Mirrored joints belong to mirrored bodies, and have mirrored ranges and default angles."""
    if not robot.mirror:
        return Check("symmetry", False, "mirror is empty: learners cannot use left-right symmetry")
    joints = {joint.name: joint for joint in robot.joints}
    of_joint = {body.joint.name: body for body in robot.bodies if body.joint is not None}
    placed, flip, wrong = frames(robot.bodies), np.array([1.0, -1.0, 1.0]), []
    for joint, (other, sign) in zip(robot.joints, robot.mirror):
        image, own, there = joints[other], of_joint[joint.name], of_joint[other]
        if not np.allclose(sorted((sign * image.lower, sign * image.upper)), (joint.lower, joint.upper), atol=1e-3):
            wrong.append(f"range of {joint.name} and {other}")
        if abs(sign * image.default - joint.default) > 1e-3:
            wrong.append(f"default angle of {joint.name} and {other}")
        elif not np.allclose(placed[own.name][1], placed[there.name][1] * flip, atol=2e-3):
            wrong.append(f"place of {own.name} and {there.name}")
        if not np.allclose(np.array(joint.axis) * (-1, 1, -1) * sign, image.axis, atol=1e-3):
            wrong.append(f"sign or axis of {joint.name} and {other}")
        if abs(own.mass - there.mass) > 0.01 * own.mass:
            wrong.append(f"mass of {own.name} and {there.name}")
        size = np.abs(_matrix(own.inertia)).max()
        if np.abs(_matrix(own.inertia) - _matrix(there.inertia) * np.outer(flip, flip)).max() > 0.05 * size:
            wrong.append(f"inertia of {own.name} and {there.name}")
    return Check("symmetry", not wrong, "; ".join(dict.fromkeys(wrong)) or "left and right are mirror images")


def _quiet(robot: Robot) -> Task:
    """Nothing but standing on a plane."""
    still = Start(position=0.0, joint_scale=(1.0, 1.0), velocity=0.0, random_heading=False)
    return Task(
        robot=robot,
        recipe="check",
        terrain=Terrain(kind="plane"),
        curriculum=Curriculum(enabled=False),
        observations=Observations.paper(heights=None, noise=False),
        rewards=Rewards(),
        timing=Timing(episode_length=60.0),
        randomization=Randomization(friction=(1.0, 1.0), pushes=None, start=still),
        actuator=PDActuator(),
    )


def _numbers(array: Array) -> np.ndarray:
    """An array of the engine's, copied to numpy."""
    return np.array(convert(array, "numpy"))


def _standing(env: LocoVectorEnv) -> tuple[Check, Check]:
    """How it stands when its joints hold the default pose, and how hard they work for it."""
    env.reset(seed=0)
    robot, dt = env.task.robot, env.task.timing.control_dt
    zero = np.zeros((1, len(robot.joints)), np.float32)
    landed, drift = None, 0.0
    for step in range(round((SETTLE + STAND) / dt)):
        *_, info = env.step(zero)
        reason = env.reset_reasons[int(info["reset_reason"][0])]
        if reason != "running":
            failed = Check("stands", False, f"{reason.replace('_', ' ')} after {(step + 1) * dt:.2f} s under PD")
            return failed, Check("torque", False, "does not stand, so there is nothing to measure")
        position = _numbers(env.state.episodes.readout.base_position[0])
        if step + 1 == round(SETTLE / dt):
            landed = position
        if landed is not None:
            drift = max(drift, float(np.linalg.norm(position - landed)))
    readout = env.state.episodes.readout
    contacts = dict(zip(robot.contact_bodies, _numbers(readout.contact_force[0, :, 2])))
    on_feet = sum(contacts[foot] for foot in robot.feet) / (robot.mass * _GRAVITY)
    passed = drift < DRIFT and on_feet > 0.95
    standing = Check(
        "stands",
        passed,
        f"drifts {100 * drift:.2g} cm in {STAND:.0f} s under PD, {100 * on_feet:.0f} % of the weight on its feet",
    )
    limits = np.array([joint.torque_limit for joint in robot.joints])
    share = np.abs(_numbers(readout.joint_torque[0])) / limits
    worst = int(np.argmax(share))
    torque = Check(
        "torque",
        share[worst] < 0.6,
        f"standing takes up to {100 * share[worst]:.0f} % of a limit ({robot.joints[worst].name}, {limits[worst]:.3g} N m)",
    )
    return standing, torque


def _violent(robot: Robot, backend: str) -> Check:
    """Robots under random actions for 2 s: their numbers hold, so masses, gains and the physics step agree."""
    env = LocoVectorEnv(_quiet(robot), _ROBOTS, backend=backend, stagger=False)
    try:
        env.reset(seed=0)
        draw, broken = np.random.default_rng(0), np.zeros(_ROBOTS, bool)
        for _ in range(round(2.0 / env.task.timing.control_dt)):
            *_, info = env.step(draw.normal(0, 2, (_ROBOTS, len(robot.joints))).astype(np.float32))
            broken |= np.asarray(info["reset_reason"]) == env.reset_reasons.index("broken_physics")
    finally:
        env.close()
    finding = (
        f"{broken.sum()} of {_ROBOTS} robots broke: lower damping, or give light bodies armature"
        if broken.any()
        else "random actions break none"
    )
    return Check("numbers", not broken.any(), finding)


def _picture(env: LocoVectorEnv) -> np.ndarray | str:
    """The robot as it stands, or why it cannot be drawn."""
    try:
        pictures = env.render()
    except (OSError, ValueError) as error:  # a machine that cannot draw, or is told to draw by what is not there
        return str(error)
    return "this backend draws nothing" if pictures is None else pictures[0]


def drawable(robot: Robot) -> Robot:
    """The robot with its spheres and the lines between its joints drawn, if it has nothing else to look at."""
    if robot.visuals:
        return robot
    visuals = [
        Visual(s.body, "sphere", (s.radius, 0.0, 0.0), s.position, color=(0.2, 0.55, 0.35, 1.0)) for s in robot.spheres
    ]
    for body in robot.bodies[1:]:
        end = np.array(body.position)
        length = float(np.linalg.norm(end))
        if length > 1e-3 and body.parent is not None:
            axis = np.cross((0.0, 0.0, 1.0), end / length)
            half = np.arccos(np.clip(end[2] / length, -1, 1)) / 2
            norm = np.linalg.norm(axis)
            x, y, z = axis / norm * np.sin(half) if norm > 1e-6 else (np.sin(half), 0.0, 0.0)
            middle = (float(end[0] / 2), float(end[1] / 2), float(end[2] / 2))
            rotation = (float(np.cos(half)), float(x), float(y), float(z))
            size = (0.012, length / 2, 0.0)
            visuals.append(Visual(body.parent, "capsule", size, middle, rotation, (0.35, 0.36, 0.38, 1.0)))
    return dataclasses.replace(robot, visuals=tuple(visuals))
