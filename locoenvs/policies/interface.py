"""What a controller must know to run a task's policy, as JSON: all of it follows from the task.

Numbers are for programs, the fields of :data:`PROSE` for people. Together they say how the observation comes about and what
an action does, so that a robot can be driven without this package.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from locoenvs.mdp.draws import of_stage
from locoenvs.mdp.layout import layout, scan_lines
from locoenvs.tasks.task import Commands, Task

PROSE = ("meaning", "conventions")
"""Fields that are words, which may be put better without changing what is meant."""

CONVENTIONS = {
    "units": "SI: m, s, rad, kg, N",
    "world": "a fixed frame whose z axis points up; gravity pulls along -z",
    "base": "the frame of the body control.base: x forward, y left, z up; its origin is the body's, not its center of mass",
    "quaternion": "(w, x, y, z), turns vectors along the base's axes into vectors along the world's",
    "heading": "of the base's x axis from the world's x axis to the left: atan2(2 (x y + w z), 1 - 2 (y y + z z))",
    "joints": "an angle grows by the right-hand rule about axis, a unit vector in the frame of body; at angle 0 that frame is "
    "parallel to its parent's",
}

_LAWS = {
    "pd": "torque = clip(stiffness (target - angle) - damping velocity, -torque_limit, torque_limit)",
    "lstm": "torque is what the drive's network makes of (target - angle, velocity), clipped at torque_limit and, in the "
    "direction of motion, at 2 (1 - |velocity| / velocity_limit) torque_limit, at least 0; the network remembers, from 0 at an "
    "episode's begin, and stiffness and damping play no part",
}


_FASTEST = {"base_linear_velocity": 20.0, "base_angular_velocity": 30.0}
"""m/s and rad/s along each axis: no robot of this kind moves so, whatever happens to it."""

_HIGHEST = 10.0
"""m, of a base above or below the ground that it sees."""

_BEYOND = 0.5
"""rad: joints of simulated robots, and of real ones that are not well calibrated, reach a little beyond their range."""

_OVERSPEED = 3.0
"""How much faster than its velocity limit a joint may be said to turn; in training nothing limits its velocity but its drive."""


def describe(task: Task) -> dict[str, Any]:
    """All that a controller must know, with the lists of JSON."""
    slots, timing = layout(task), task.timing
    return {
        "conventions": dict(CONVENTIONS),
        "control_dt": timing.control_dt,
        "control": {
            "meaning": "every control_dt: read the sensors, make the observation, run the network, and hold the joint targets "
            "until the next time. The drives' law runs every physics_dt, decimation times in between. Episodes start at "
            "about start_height of the base above the ground, joints near default_position, last_action 0. action_delay and "
            "observation_delay: how late, in s, joint targets came to the drives and readings to the policy in training, at least and at most; "
            "until the first target has come the drives hold default_position",
            "physics_dt": timing.physics_dt,
            "decimation": timing.decimation,
            "base": task.robot.bodies[0].name,
            "start_height": task.robot.start_height,
            "action_delay": _delay(task, "drive"),
            "observation_delay": _delay(task, "lag"),
        },
        "joints": [
            {
                "name": joint.name,
                "default_position": joint.default,
                "stiffness": joint.stiffness,
                "damping": joint.damping,
                "torque_limit": joint.torque_limit,
                "velocity_limit": joint.velocity_limit,
                "lower": joint.lower,
                "upper": joint.upper,
                "body": body.name,
                "axis": list(joint.axis),
            }
            for body in task.robot.bodies
            if (joint := body.joint) is not None
        ],
        "action": {
            "meaning": "joint target = default_position + scale * clip(action, -clip, clip), in rad, in the order of joints; "
            "targets may lie beyond a joint's range",
            "scale": task.robot.action_scale,
            "clip": task.action_clip,
        },
        "actuator": {"meaning": _LAWS[task.actuator.kind], **dataclasses.asdict(task.actuator)},
        "command": _command(task.commands),
        "observation": {
            "meaning": "obs[start:stop] = clip(scale * value in unit, -clip, clip), of the state at the end of the control step "
            "before. noise is the half width, in unit, of what training adds to a value; a controller adds none",
            "size": slots[-1].stop,
            "clip": task.observations.clip,
            "slots": [dataclasses.asdict(slot) for slot in slots],
            "heights": _heights(task),
        },
        "limits": _limits(task),
    }


def describe_version_2(task: Task) -> dict[str, Any]:
    """What policies of format version 2 say: no delays, no limits."""
    whole = describe(task)
    del whole["limits"]
    whole["control"] = {name: value for name, value in whole["control"].items() if not name.endswith("_delay")}
    return whole


def describe_version_1(task: Task) -> dict[str, Any]:
    """What policies of format version 1 say: numbers, few words, no frames."""
    whole = describe(task)
    joint = ("name", "default_position", "stiffness", "damping", "torque_limit")
    slot = ("name", "start", "stop", "unit", "scale", "noise")
    kept = {name: whole["observation"][name] for name in ("meaning", "size", "clip")}
    return {
        "control_dt": whole["control_dt"],
        "joints": [{name: each[name] for name in joint} for each in whole["joints"]],
        "action": whole["action"],
        "observation": {**kept, "slots": [{n: each[n] for n in slot} for each in whole["observation"]["slots"]]},
    }


def _command(commands: Commands) -> dict[str, Any]:
    """What the policy was trained to be asked for."""
    words = "training draws forward and sideways (to the left), m/s, in these ranges, and sets both to 0 below minimum_speed, m/s; "
    kept: tuple[str, ...] = ("mode", "forward", "sideways", "minimum_speed")
    if commands.mode == "heading":
        kept += ("heading", "heading_gain", "max_yaw_rate")
        words += (
            "at every step the yaw rate, rad/s, is clip(heading_gain * (heading asked for - heading, wrapped to +-pi), "
            "-max_yaw_rate, max_yaw_rate)"
        )
    else:
        kept += ("yaw_rate",)
        words += "the yaw rate, rad/s, in that range"
    values = {name: getattr(commands, name) for name in kept}
    return {"meaning": words} | {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _heights(task: Task) -> dict[str, Any] | None:
    scan = task.observations.heights
    if scan is None:
        return None
    forward, left = scan_lines(scan)
    return {
        "meaning": "sample i * len(left) + j is taken forward[i] in front and left[j] to the left of the base's origin, in a "
        "horizontal frame that turns with the base's heading alone: clip(base height - offset - ground height, -clip, clip), both "
        "heights along the world's z. Beyond a map the ground goes on as high as its nearest edge",
        "forward": forward.tolist(),
        "left": left.tolist(),
        "offset": scan.offset,
        "clip": scan.clip,
    }


def _delay(task: Task, stage: Literal["drive", "lag"]) -> list[float]:
    """The shortest and the longest delay, s, that training drew."""
    drawn = [entry.parameters["delay"] for _, _, entry in of_stage(task, stage) if "delay" in entry.parameters]
    return [float(sum(each[end] for each in drawn)) for end in (0, 1)]


def _limits(task: Task) -> dict[str, Any]:
    """What no reading of a robot in order is beyond."""
    joints, commands, dt = task.robot.joints, task.commands, task.timing.control_dt
    turn = commands.yaw_rate if commands.mode != "heading" else (-commands.max_yaw_rate, commands.max_yaw_rate)
    readings = {name: {"low": -most, "high": most} for name, most in _FASTEST.items()} | {
        "projected_gravity": {"low": -1.2, "high": 1.2},
        "joint_position": {
            "low": [joint.lower - _BEYOND for joint in joints],
            "high": [joint.upper + _BEYOND for joint in joints],
        },
        "joint_velocity": {
            "low": [-_OVERSPEED * joint.velocity_limit for joint in joints],
            "high": [_OVERSPEED * joint.velocity_limit for joint in joints],
        },
        "heights": {"low": -_HIGHEST, "high": _HIGHEST},
    }
    seen = [slot.name for slot in task.observations.slots]
    return {
        "meaning": "a controller damps the joints, stiffness 0, when a reading lies beyond readings, for each number or for all of them: joints' "
        "angles, and the base's height minus the ground's, without default_position and offset; when the length of projected_gravity lies "
        "beyond gravity_norm; or when a reading is older than age, s, or comes so long after the one before. It clips commands, forward, left "
        "and yaw rate, to command, which is what training asked for",
        "readings": {name: readings[name] for name in seen if name in readings},
        "gravity_norm": [0.8, 1.2],
        "command": [list(commands.forward), list(commands.sideways), list(turn)],
        "age": round(3 * dt, 9),
    }
