"""A policy's network on the observations of another task acts as it did on its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("google.protobuf")
pytest.importorskip("onnxruntime")

from locoenvs.envs.registration import task as task_of
from locoenvs.mdp.layout import layout
from locoenvs.policies.policy import load_policy, save_policy
from locoenvs.policies.transfer import layers_for

FLAT, ROUGH = task_of("Loco/AnymalC-Flat-v0"), task_of("Loco/AnymalC-Rough-v0")


def saved(folder: Path, normalized: bool = False) -> Path:
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(8, 48)), rng.normal(size=8)), (rng.normal(size=(12, 8)), rng.normal(size=12))]
    mean, std = (rng.normal(size=48), rng.uniform(0.5, 2, 48)) if normalized else (None, None)
    save_policy(folder, FLAT, layers, mean=mean, std=std)
    return folder


@pytest.mark.parametrize("normalized", [False, True])
def test_a_flat_policy_acts_the_same_on_rough_observations_whatever_the_heights_are(
    tmp_path: Path, normalized: bool
) -> None:
    policy = load_policy(saved(tmp_path / "flat", normalized))
    save_policy(tmp_path / "rough", ROUGH, layers_for(policy, ROUGH))
    assert [slot.name for slot in layout(ROUGH)][-1] == "heights"
    seen = np.random.default_rng(1).normal(size=(5, layout(ROUGH)[-1].stop)).astype(np.float32)
    np.testing.assert_allclose(load_policy(tmp_path / "rough")(seen), policy(seen[:, :48]), rtol=1e-4, atol=1e-5)


def test_a_network_that_needs_heights_cannot_do_without(tmp_path: Path) -> None:
    save_policy(tmp_path, ROUGH, [(np.zeros((12, layout(ROUGH)[-1].stop)), np.zeros(12))])
    with pytest.raises(ValueError, match="observations that the task lacks: heights"):
        layers_for(load_policy(tmp_path), FLAT)


def test_actions_must_mean_the_same(tmp_path: Path) -> None:
    other = dataclasses.replace(ROUGH, robot=dataclasses.replace(ROUGH.robot, action_scale=0.25))
    with pytest.raises(ValueError, match="action scale: the policy has 0.5, the task 0.25"):
        layers_for(load_policy(saved(tmp_path)), other)


def test_scales_must_be_the_same(tmp_path: Path) -> None:
    other = ROUGH.with_({"observations.slots.base_linear_velocity.scale": 1.0})
    with pytest.raises(
        ValueError, match="'base_linear_velocity': the policy of .* has 3 values times 2.0, the task 3 times 1"
    ):
        layers_for(load_policy(saved(tmp_path)), other)


def test_a_robot_with_the_same_joints_may_begin_with_anothers_policy(tmp_path: Path) -> None:
    policy, arm = load_policy(saved(tmp_path)), task_of("Loco/AnymalCArm-Flat-v0")
    assert all(
        np.array_equal(a, b) for ours, own in zip(layers_for(policy, arm), policy.layers()) for a, b in zip(ours, own)
    )
    with pytest.raises(ValueError, match="robot: the policy has anymal_c, the task anymal_c_arm"):
        policy.check(arm)
    with pytest.raises(ValueError, match="joints: the policy has .*'LF_HAA'.*, the task .*'FL_hip_joint'"):
        layers_for(policy, task_of("Loco/A1-Flat-v0"))
