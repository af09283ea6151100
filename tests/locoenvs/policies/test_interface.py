"""A policy.json is enough to make the observation and the torques without this package."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import locoenvs
from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.layout import layout
from locoenvs.mdp.terrain import ground_height
from locoenvs.policies.interface import describe
from locoenvs.policies.policy import load_policy

POLICIES = Path(locoenvs.__file__).parent / "policies" / "shipped"


def rebuilt(text: str, sensors: dict[str, Any]) -> np.ndarray:
    """The observation (N, O) by what a policy.json says, from what a robot's sensors and the engine say of it.

    ``sensors``: world position (N, 3), orientation (N, 4) and velocity (N, 3), rotation rate about the base's axes (N, 3), an
    angle and a velocity (N,) of each joint by name, the command (N, 3), the last action (N, J), the ground's height at x, y.
    """
    document = json.loads(text)
    seen, joints, clip = document["observation"], document["joints"], document["observation"]["clip"]
    w, x, y, z = sensors["orientation"].T
    matrix = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    in_base = lambda vectors: np.einsum("ijn,ni->nj", matrix, vectors)  # noqa: E731
    default = np.array([joint["default_position"] for joint in joints])
    angle = np.stack([sensors["angle"][joint["name"]] for joint in joints], axis=-1)
    position = sensors["position"]
    values = {
        "base_linear_velocity": in_base(sensors["velocity"]),
        "base_angular_velocity": sensors["rate"],
        "projected_gravity": in_base(np.tile([0.0, 0.0, -1.0], (len(position), 1))),
        "command_linear_velocity": sensors["command"][:, :2],
        "command_yaw_rate": sensors["command"][:, 2:],
        "joint_position": angle - default,
        "joint_velocity": np.stack([sensors["joint_velocity"][joint["name"]] for joint in joints], axis=-1),
        "last_action": np.clip(sensors["action"], -document["action"]["clip"], document["action"]["clip"]),
    }
    if (scan := seen["heights"]) is not None:
        heading = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))[:, None]
        forward, left = (each.ravel() for each in np.meshgrid(scan["forward"], scan["left"], indexing="ij"))
        ground = sensors["ground"](
            position[:, :1] + np.cos(heading) * forward - np.sin(heading) * left,
            position[:, 1:2] + np.sin(heading) * forward + np.cos(heading) * left,
        )
        values["heights"] = np.clip(position[:, 2:] - scan["offset"] - ground, -scan["clip"], scan["clip"])
    observation = np.full((len(position), seen["size"]), np.nan)
    for slot in seen["slots"]:
        observation[:, slot["start"] : slot["stop"]] = np.clip(slot["scale"] * values[slot["name"]], -clip, clip)
    return observation


@pytest.mark.parametrize("name", ["anymal_c_rough", "anymal_c_flat_lstm", "cassie_flat"])
def test_the_json_alone_is_enough_to_make_the_observation(name: str) -> None:
    """To 1e-5; heights to 2e-5 m, as places 70 m from the origin are float32 and risers steep."""
    pytest.importorskip("onnxruntime")
    policy, text = load_policy(POLICIES / name), (POLICIES / name / "policy.json").read_text()
    task = dataclasses.replace(policy.task, observations=policy.task.observations.perfect())
    task = dataclasses.replace(task, action_clip=1.0)  # so that some are clipped
    document = json.loads(text)
    document["action"]["clip"] = 1.0
    env = LocoVectorEnv(task, 20, stagger=False, options={"threads": 1})
    simulator: Any = env.simulator
    names = [simulator.model.joint(index).name for index in range(1, simulator.model.njnt)]
    assert names == [joint["name"] for joint in document["joints"]]
    seen, _ = env.reset(seed=3)
    action, over = np.zeros((20, len(names)), np.float32), np.zeros(20, bool)
    heights = env.mdp.height_map

    def ground(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ground_height(heights.heights, heights.origin, heights.cell, x.astype("f4"), y.astype("f4"))

    for _ in range(50):
        qpos, qvel = (np.array(simulator._batch.bind(each)) for each in ("qpos", "qvel"))
        expected = rebuilt(json.dumps(document), {
            "position": qpos[:, :3],
            "orientation": qpos[:, 3:7],
            "velocity": qvel[:, :3],
            "rate": qvel[:, 3:6],
            "angle": dict(zip(names, qpos[:, 7:].T)),
            "joint_velocity": dict(zip(names, qvel[:, 6:].T)),
            "command": env.state.episodes.command[:, :3],
            "action": np.where(over[:, None], 0, action),
            "ground": ground,
        })  # fmt: skip
        np.testing.assert_allclose(seen[:, :48], expected[:, :48], rtol=0, atol=1e-5)
        np.testing.assert_allclose(seen[:, 48:], expected[:, 48:], rtol=0, atol=1e-4)
        action = policy(seen)
        seen, _, terminated, truncated, _ = env.step(action)
        over = terminated | truncated
    assert np.abs(action).max() > 1 and np.abs(seen[:, :3]).max() > 0.1
    assert "rough" not in name or np.ptp(seen[:, 48:], axis=1).max() > 0.5


@pytest.mark.parametrize("name", sorted(path.name for path in POLICIES.iterdir()))
def test_a_shipped_json_says_all_of_it(name: str) -> None:
    pytest.importorskip("onnxruntime")
    policy, document = load_policy(POLICIES / name), json.loads((POLICIES / name / "policy.json").read_text())
    assert document == policy.document and document["format_version"] == 3
    assert {field: document[field] for field in describe(policy.task)} == describe(policy.task)


@pytest.mark.parametrize("env_id", IDS)
def test_it_is_json_and_says_what_each_slot_is(env_id: str) -> None:
    task = task_of(env_id)
    described = describe(task)
    assert json.loads(json.dumps(described)) == described
    slots = described["observation"]["slots"]
    assert [slot["name"] for slot in slots] == [slot.name for slot in layout(task)]
    assert all(len(slot["meaning"]) > 30 for slot in slots)
    words = {slot["name"]: slot["meaning"] for slot in slots}
    assert "minus default_position" in words["joint_position"] and "(0, 0, -1) when" in words["projected_gravity"]
    assert "after its clip" in words["last_action"]


def test_the_drives_law_is_the_one_that_the_engine_obeys() -> None:
    """The torque that MuJoCo applies in the last physics step is that of the described law at that step's begin."""
    task = task_of("Loco/Cassie-Flat-v0", actuator="pd")
    described = describe(task)
    env = LocoVectorEnv(
        dataclasses.replace(task, timing=dataclasses.replace(task.timing, decimation=1)), 4, options={"threads": 1}
    )
    env.reset(seed=0)
    column = lambda name: np.array([joint[name] for joint in described["joints"]])  # noqa: E731
    action = np.random.default_rng(0).uniform(-3, 3, (4, 12)).astype(np.float32)
    for _ in range(5):
        before = env.state.episodes.readout
        env.step(action)
        target = column("default_position") + described["action"]["scale"] * action
        torque = column("stiffness") * (target - before.joint_position) - column("damping") * before.joint_velocity
        limit = column("torque_limit")
        found = env.state.episodes.readout.joint_torque
        done = env.state.episodes.step == 0
        np.testing.assert_allclose(found[~done], np.clip(torque, -limit, limit)[~done], rtol=1e-4, atol=1e-2)
    assert (np.abs(torque) > limit).any()
