"""What a controller must know to run a task's policy, as JSON: all of it follows from the task.

Numbers are for programs, the fields of :data:`PROSE` for people. Together they say how the observation comes about and what
an action does, so that a robot can be driven without this package.
"""

from __future__ import annotations

import dataclasses
from typing import Any

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


def describe(task: Task) -> dict[str, Any]:
    """All that a controller must know, with the lists of JSON."""
    slots, timing = layout(task), task.timing
    return {
        "conventions": dict(CONVENTIONS),
        "control_dt": timing.control_dt,
        "control": {
            "meaning": "every control_dt: read the sensors, make the observation, run the network, and hold the joint targets "
            "until the next time. The drives' law runs every physics_dt, decimation times in between. Episodes start at "
            "about start_height of the base above the ground, joints near default_position, last_action 0",
            "physics_dt": timing.physics_dt,
            "decimation": timing.decimation,
            "base": task.robot.bodies[0].name,
            "start_height": task.robot.start_height,
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
    }


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
