"""What may differ between robots and episodes, besides friction, payload, pushes and starts. All of it is off by default.

Each randomization draws from a stream of its own, that of its name, so that what one robot gets depends neither on the others nor on
what else is varied. Physics differs from robot to robot, drives and sensors ``per`` robot or from episode to episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from locoenvs.mdp.draws import Draw, Per
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.observations import height_samples
from locoenvs.mdp.state import Episodes
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array, device_of
from locoenvs.tasks.robot import NonNegative, Number
from locoenvs.tasks.task import Fraction
from locoenvs.tasks.vocabulary import randomization

Factor = Annotated[float, Field(gt=0, le=100)]


def _ordered(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"the lower end {ends[0]} must not exceed the upper end {ends[1]}")
    return ends


Factors = Annotated[tuple[Factor, Factor], AfterValidator(_ordered)]
Ends = Annotated[tuple[Number, Number], AfterValidator(_ordered)]
Amounts = Annotated[tuple[NonNegative, NonNegative], AfterValidator(_ordered)]
Second = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[tuple[Second, Second], AfterValidator(_ordered)]


@randomization("physics", quantities=("mass",))
def link_mass(draw: Draw, mdp: Mdp, factor: Factors = (0.9, 1.1), body: str = "") -> dict[str, Array]:
    """Mass and inertia of the body of that name, or of each body for itself, times ``factor``."""
    bodies = [each.name for each in mdp.task.robot.bodies]
    if body and body not in bodies:
        raise ValueError(f"there is no body {body!r}; there are {', '.join(bodies)}")
    drawn = draw.between(factor, len(bodies), "robot")
    if not body:
        return {"mass": drawn}
    chosen = mdp.xp.asarray([each == body for each in bodies])
    return {"mass": mdp.xp.where(chosen, drawn, mdp.xp.ones_like(drawn))}


@randomization("physics", quantities=("center_of_mass",))
def center_of_mass(draw: Draw, mdp: Mdp, offset: Ends = (-0.03, 0.03)) -> dict[str, Array]:
    """The base's center of mass lies ``offset`` m from where it should, along each axis."""
    return {"center_of_mass": draw.between(offset, 3, "robot")}


@randomization("physics", quantities=("armature",))
def armature(draw: Draw, mdp: Mdp, added: Amounts = (0.0, 0.01)) -> dict[str, Array]:
    """The inertia of each joint's rotor is ``added`` kg m^2 more."""
    return {"armature": draw.between(added, mdp.num_joints, "robot")}


@randomization("drive", quantities=("strength",))
def motor_strength(draw: Draw, mdp: Mdp, factor: Factors = (0.9, 1.1), per: Per = "episode") -> dict[str, Array]:
    """The torque of each motor times ``factor``."""
    return {"strength": draw.between(factor, mdp.num_joints, per)}


@randomization("drive", quantities=("stiffness", "damping"))
def gains(
    draw: Draw, mdp: Mdp, stiffness: Factors = (0.9, 1.1), damping: Factors = (0.9, 1.1), per: Per = "episode"
) -> dict[str, Array]:
    """Kp and Kd of each joint times factors ``stiffness`` and ``damping``. For the PD law."""
    joints = mdp.num_joints
    drawn = draw(2 * joints, per)
    return {
        "stiffness": rng.between(drawn[:, :joints], *stiffness),
        "damping": rng.between(drawn[:, joints:], *damping),
    }


@randomization("drive", quantities=("offset",))
def encoder_offset(draw: Draw, mdp: Mdp, offset: Ends = (-0.02, 0.02), per: Per = "episode") -> dict[str, Array]:
    """Each joint's encoder reads ``offset`` rad more than its angle: to its drive, and to the policy."""
    return {"offset": draw.between(offset, mdp.num_joints, per)}


@randomization("drive", quantities=("friction",))
def joint_friction(draw: Draw, mdp: Mdp, torque: Amounts = (0.0, 0.5), per: Per = "episode") -> dict[str, Array]:
    """Dry friction of each joint, ``torque`` N m against its motion; below 0.1 rad/s in proportion to its speed."""
    return {"friction": draw.between(torque, mdp.num_joints, per)}


@randomization("drive", quantities=("viscous",))
def joint_damping(draw: Draw, mdp: Mdp, damping: Amounts = (0.0, 0.1), per: Per = "episode") -> dict[str, Array]:
    """Viscous friction of each joint, ``damping`` N m s/rad."""
    return {"viscous": draw.between(damping, mdp.num_joints, per)}


@randomization("drive", quantities=("delay",))
def action_delay(draw: Draw, mdp: Mdp, delay: Seconds = (0.0, 0.02), per: Per = "episode") -> dict[str, Array]:
    """Joint targets reach the drives ``delay`` s late, in whole physics steps; until the first has come they hold the default pose."""
    return {"delay": draw.between(delay, 1, per)}


@randomization("lag")
def observation_delay(draw: Draw, mdp: Mdp, delay: Seconds = (0.0, 0.04), per: Per = "episode") -> Array:
    """What sensors give is ``delay`` s late, in whole control steps; commands and the last action are known."""
    return draw.between(delay, 1, per)


@randomization("sensors")
def imu_bias(
    draw: Draw,
    mdp: Mdp,
    episodes: Episodes,
    seen: Mapping[str, Array],
    angular_velocity: NonNegative = 0.05,
    gravity: NonNegative = 0.02,
    per: Per = "episode",
) -> dict[str, Array]:
    """Gyroscope and direction of gravity are off by at most +-``angular_velocity`` rad/s and +-``gravity``, each axis for itself."""
    drawn = draw(6, per) * 2 - 1
    widths = {"base_angular_velocity": angular_velocity * drawn[:, :3], "projected_gravity": gravity * drawn[:, 3:]}
    return {name: seen[name] + bias for name, bias in widths.items() if name in seen}


def drift(draw: Draw, distance: float, per: Per) -> Array:
    """How far the map of :func:`height_drift` has slid by the end of a whole episode, (N, 2) m."""
    return draw.between((-distance, distance), 2, per)


@randomization("sensors")
def height_drift(
    draw: Draw,
    mdp: Mdp,
    episodes: Episodes,
    seen: Mapping[str, Array],
    distance: NonNegative = 0.1,
    per: Per = "episode",
) -> dict[str, Array]:
    """The map under the height samples slides, by up to +-``distance`` m in x and y until the end of an episode."""
    if "heights" not in seen:
        return {}
    xp, readout = mdp.xp, episodes.readout
    passed = xp.astype(episodes.step, xp.float32)[:, None] * (1 / mdp.task.timing.max_episode_steps)
    shift = drift(draw, distance, per) * passed
    place = xp.concat([readout.base_position[:, :2] + shift, readout.base_position[:, 2:]], axis=-1)
    return {"heights": height_samples(mdp, place, readout.base_quaternion)}


@randomization("sensors")
def height_offset(
    draw: Draw,
    mdp: Mdp,
    episodes: Episodes,
    seen: Mapping[str, Array],
    offset: Ends = (-0.05, 0.05),
    per: Per = "episode",
) -> dict[str, Array]:
    """All height samples are off by ``offset`` m."""
    scan = mdp.task.observations.heights
    if scan is None:
        return {}
    return {"heights": (seen["heights"] + draw.between(offset, 1, per)).clip(-scan.clip, scan.clip)}


@randomization("sensors")
def height_dropout(
    draw: Draw, mdp: Mdp, episodes: Episodes, seen: Mapping[str, Array], share: Fraction = 0.05
) -> dict[str, Array]:
    """A ``share`` of the height samples is missing at each step, and reads as far below as a sample can."""
    scan = mdp.task.observations.heights
    if scan is None:
        return {}
    missing = draw(scan.size, "step") < share
    return {"heights": mdp.xp.where(missing, mdp.xp.full_like(seen["heights"], scan.clip), seen["heights"])}


@randomization("drive", quantities=("strength",))
def weak_motor(draw: Draw, mdp: Mdp, factor: Factors = (0.5, 1.0), per: Per = "episode") -> dict[str, Array]:
    """The torque of one motor, any of them, times ``factor``."""
    xp, joints = mdp.xp, mdp.num_joints
    drawn = draw(2, per)
    which = xp.astype(drawn[:, :1] * joints, xp.int32)
    weak = xp.arange(joints, dtype=xp.int32, device=device_of(drawn))[None, :] == which
    strength = rng.between(drawn[:, 1:], *factor)
    return {"strength": xp.where(weak, strength, xp.ones_like(strength))}
