"""A policy survives the trip to disk and back, and one that does not belong is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from fake import BIPED
from locoenvs.observations import layout
from locoenvs.policy import load_policy, save_policy
from locoenvs.robot import Body, Robot
from locoenvs.task import HeightScan, Noise, Observations, Task, Terrain, Timing

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TASK = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations(heights=None))
SIZE = 12 + 3 * 2  # base 9, command 3, and three numbers a joint


def layers(*sizes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(b, a)).astype("f4"), rng.normal(size=b).astype("f4")) for a, b in zip(sizes, sizes[1:])]


def saved(folder: Path, **options: object) -> Path:
    save_policy(folder, TASK, layers(SIZE, 8, 4, 2), **options)  # type: ignore[arg-type]
    return folder


FUNCTIONS = {"elu": lambda x: np.where(x > 0, x, np.exp(x) - 1), "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_the_network_is_normalize_then_layers_with_activations_between(tmp_path: Path, activation: str) -> None:
    mean, std = np.linspace(-1, 1, SIZE), np.linspace(0.5, 2, SIZE)
    policy = load_policy(saved(tmp_path, activation=activation, mean=mean, std=std))
    observation = np.random.default_rng(1).normal(size=(5, SIZE)).astype("f4")
    value = (observation - mean) / std
    for index, (weight, bias) in enumerate(layers(SIZE, 8, 4, 2)):
        value = value @ weight.T + bias
        value = FUNCTIONS[activation](value) if index < 2 else value
    actions = policy(observation)
    assert actions.shape == (5, 2) and actions.dtype == np.float32
    np.testing.assert_allclose(actions, value, rtol=1e-5, atol=1e-5)


def test_the_json_says_what_the_numbers_mean(tmp_path: Path) -> None:
    saved(tmp_path, provenance={"environment": "Loco/Fake-Flat-v0", "seed": 3})
    policy, document = load_policy(tmp_path / "policy.onnx"), json.loads((tmp_path / "policy.json").read_text())
    assert policy.task == TASK
    assert policy.environment == "Loco/Fake-Flat-v0" and policy.provenance["seed"] == 3
    assert document["task_hash"] == TASK.hash
    assert document["control_dt"] == 0.02
    assert document["joints"][1] == {
        "name": "right_hip",
        "default_position": -0.2,
        "stiffness": 40.0,
        "damping": 1.0,
        "torque_limit": 50.0,
    }
    assert (document["action"]["scale"], document["action"]["clip"]) == (0.5, 100.0)
    assert document["observation"]["slots"] == [dataclasses.asdict(slot) for slot in layout(TASK)]
    assert document["observation"]["size"] == SIZE


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a"), saved(tmp_path / "b")
    for name in ("policy.onnx", "policy.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("name", ["policy.onnx", "policy.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (saved(tmp_path) / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_policy(tmp_path)


def edit(folder: Path, **changes: object) -> None:
    file = folder / "policy.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    edit(tmp_path, format="other")
    with pytest.raises(ValueError, match="its format is 'other', not 'locoenvs.policy'"):
        load_policy(tmp_path)
    edit(tmp_path, format="locoenvs.policy", format_version=99)
    with pytest.raises(ValueError, match="format version 99"):
        load_policy(tmp_path)
    (tmp_path / "policy.json").write_text("[1")
    with pytest.raises(ValueError, match="is not JSON"):
        load_policy(tmp_path)


def test_a_network_or_a_task_that_was_changed_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    document = json.loads((tmp_path / "policy.json").read_text())
    edit(tmp_path, task={**document["task"], "action_clip": 3.0})
    with pytest.raises(ValueError, match="was changed"):
        load_policy(tmp_path)
    edit(tmp_path, task=document["task"])
    load_policy(tmp_path)
    network = (tmp_path / "policy.onnx").read_bytes()
    (tmp_path / "policy.onnx").write_bytes(network[:-1] + bytes([network[-1] ^ 1]))
    with pytest.raises(ValueError, match="sha256"):
        load_policy(tmp_path)


def changed_joint(**values: float) -> Robot:
    def change(body: Body) -> Body:
        return (
            body if body.joint is None else dataclasses.replace(body, joint=dataclasses.replace(body.joint, **values))
        )

    return dataclasses.replace(BIPED, bodies=tuple(change(body) for body in BIPED.bodies))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (dataclasses.replace(TASK, robot=changed_joint(stiffness=41.0)), r"gains .* \(\(40.0, 1.0\).*\(\(41.0, 1.0\)"),
        (dataclasses.replace(TASK, robot=dataclasses.replace(BIPED, name="other")), "has fake, the task other"),
        (dataclasses.replace(TASK, observations=Observations()), "observation: .*height samples: the policy has None"),
        (
            dataclasses.replace(TASK, observations=Observations(heights=None, joint_velocity_scale=0.1)),
            r"\('joint_velocity', 2, 0.05\).*\('joint_velocity', 2, 0.1\)",
        ),
        (dataclasses.replace(TASK, action_clip=5.0), "action clip: the policy has 100.0, the task 5.0"),
    ],
)
def test_a_policy_of_another_robot_or_observation_is_refused_naming_both_sides(
    tmp_path: Path, task: Task, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_policy(saved(tmp_path)).check(task)


def test_a_task_that_differs_in_what_the_network_does_not_see_is_fine(tmp_path: Path) -> None:
    noisy = dataclasses.replace(TASK.observations, noise=Noise(joint_velocity=0.5))
    load_policy(saved(tmp_path)).check(dataclasses.replace(TASK, observations=noisy, recipe="mine"))


def test_the_place_of_the_height_samples_is_part_of_the_layout(tmp_path: Path) -> None:
    task = Task(BIPED)
    save_policy(tmp_path, task, layers(SIZE + 108, 2))
    policy = load_policy(tmp_path)
    policy.check(task)
    with pytest.raises(ValueError, match="height samples: .*1.6.*1.7"):
        policy.check(dataclasses.replace(task, observations=Observations(heights=HeightScan(length=1.7))))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((SIZE + 1, 2), f"layer 0 must map {SIZE} values"),
        ((SIZE, 3), "must give 2 actions, one a joint, got 3"),
    ],
)
def test_layers_that_do_not_fit_are_refused(tmp_path: Path, shape: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        save_policy(tmp_path, TASK, layers(*shape))


def test_a_diverged_or_half_normalized_network_is_refused(tmp_path: Path) -> None:
    (weight, bias) = layers(SIZE, 2)[0]
    weight[0, 0] = np.nan
    with pytest.raises(ValueError, match="layer 0 has weights that are NaN"):
        save_policy(tmp_path, TASK, [(weight, bias)])
    with pytest.raises(ValueError, match="both mean and std"):
        save_policy(tmp_path, TASK, layers(SIZE, 2), mean=np.zeros(SIZE))
    with pytest.raises(ValueError, match="did you mean 'elu'"):
        save_policy(tmp_path, TASK, layers(SIZE, 2), activation="elo")


def test_observations_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"\(N, {SIZE}\), got \(3, 2\)"):
        load_policy(saved(tmp_path))(np.zeros((3, 2), np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robot": changed_joint(damping=2.0)}, r"gains .* \(\(40.0, 1.0\).*\(\(40.0, 2.0\)"),
        ({"robot": changed_joint(torque_limit=51.0)}, r"torque limits \(N m\): .*50.0.*51.0"),
        ({"robot": changed_joint(default=0.1)}, r"default pose \(rad\): .*0.2, -0.2.*0.1, 0.1"),
        ({"robot": dataclasses.replace(BIPED, action_scale=0.4)}, "action scale: the policy has 0.5, the task 0.4"),
        ({"timing": Timing(decimation=2)}, r"control step \(s\): the policy has 0.02, the task 0.01"),
        ({"observations": Observations(heights=None, clip=50.0)}, "observation clip: the policy has 100.0, the task 50.0"),
    ],
)  # fmt: skip
def test_whatever_gives_its_numbers_another_meaning_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_policy(saved(tmp_path)).check(dataclasses.replace(TASK, **changes))


def test_the_layers_are_the_network_with_its_normalization_in_the_first(tmp_path: Path) -> None:
    mean, std = np.linspace(-1, 1, SIZE), np.linspace(0.5, 2, SIZE)
    policy = load_policy(saved(tmp_path, activation="tanh", mean=mean, std=std))
    observation = np.random.default_rng(1).normal(size=(5, SIZE)).astype("f4")
    value: np.ndarray = observation
    for index, (weight, bias) in enumerate(policy.layers()):
        value = value @ weight.T + bias
        value = np.tanh(value) if index < 2 else value
    np.testing.assert_allclose(value, policy(observation), rtol=1e-5, atol=1e-5)
