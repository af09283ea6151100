"""A task's robot as a file for MuJoCo, for programs that know nothing of this package."""

from __future__ import annotations

import dataclasses
import re

from locoenvs.backends.mujoco.model import build_spec
from locoenvs.mdp.terrain import build
from locoenvs.tasks.task import Task, Terrain


def text(task: Task) -> str:
    """The MJCF of one robot on a plane, with its visuals.

    Its actuators are the PD laws of the joints, in the order of the task's, and take targets in rad. The keyframe "start" is the
    default pose at the start height. A learned drive is not in it: MuJoCo has no such actuator.
    """
    plane = Terrain(kind="plane")
    spec = build_spec(dataclasses.replace(task, terrain=plane), build(plane), visuals=True)
    for sensor in [*spec.sensors]:
        spec.delete(sensor)
    robot = task.robot
    default = [joint.default for joint in robot.joints]
    spec.add_key(name="start", qpos=[0, 0, robot.start_height, 1, 0, 0, 0, *default], ctrl=default)
    spec.compile()
    return re.sub(r"\n\s*\n", "\n", spec.to_xml())
