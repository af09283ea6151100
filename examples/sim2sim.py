"""Walks the robot of an exported folder (locoenvs export POLICY --out FOLDER --model) in plain MuJoCo, without locoenvs."""

import argparse
import os
import sys
import time

import mujoco
import mujoco.viewer
import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder")
parser.add_argument("--seconds", type=float, default=10.0)
parser.add_argument("--command", type=float, nargs=3, default=(0.5, 0.0, 0.0), help="forward, left m/s, yaw rate rad/s")
asked = parser.parse_args()
sys.path.insert(0, asked.folder)
from runtime import Runtime  # noqa: E402  # the folder's own

model = mujoco.MjModel.from_xml_path(f"{asked.folder}/model.xml")
data, runtime = mujoco.MjData(model), Runtime(asked.folder, log=time.strftime("sim2sim-%Y%m%d-%H%M%S.log"))
mujoco.mj_resetDataKeyframe(model, data, model.key("start").id)
viewer = mujoco.viewer.launch_passive(model, data) if os.environ.get("DISPLAY") else None
for _ in range(round(asked.seconds / runtime.control_dt)):
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, data.qpos[3:7])
    turn = turn.reshape(3, 3).T  # of the world's vectors into the base's
    seen = {"base_linear_velocity": turn @ data.qvel[:3], "base_angular_velocity": data.qvel[3:6]}
    seen |= {"projected_gravity": turn @ [0, 0, -1], "joint_position": data.qpos[7:], "joint_velocity": data.qvel[6:]}
    seen |= {"command": asked.command, "heights": np.full(runtime.readings.get("heights", 0), data.qpos[2])}
    runtime.step(data.time, seen)
    for _ in range(round(runtime.control_dt / model.opt.timestep)):
        targets = runtime.targets(data.time)  # as late as in training
        if targets.fault:
            sys.exit(f"it damps: {targets.fault}")
        data.ctrl[:] = targets.position
        mujoco.mj_step(model, data)
    if viewer is not None:
        viewer.sync()
        time.sleep(runtime.control_dt)
runtime.close()
x, y, z = data.qpos[:3]
print(f"after {data.time:.1f} s: {x:.2f} m forward, {y:.2f} m to the left, the base {z:.2f} m high")
