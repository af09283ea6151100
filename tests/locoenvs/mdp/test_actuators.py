"""Actuators as pure functions: the learned drive against torch's own LSTM, on three namespaces."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from fake import BIPED
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.actuators import LSTM, PD, actuator_of
from locoenvs.numerics import compiled
from locoenvs.numerics.kernels import lstm
from locoenvs.tasks.drive import GATES, Layer, Network, load
from locoenvs.tasks.task import LSTMActuator

NAMESPACES: dict[str, ModuleType] = {"numpy": numpy_xp, "torch": torch_xp, "jax": jnp}
LIMITS = [80.0] * 12


def network(seed: int = 0, dt: float = 0.005, output_scale: float = 20.0) -> Network:
    """Two layers of eight units with random weights."""
    draw = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return draw.normal(0, 1.0, shape).astype(np.float32)

    layers = (Layer(normal(32, 2), normal(32, 8), normal(32)), Layer(normal(32, 8), normal(32, 8), normal(32)))
    return Network("random", dt, (2.0, 0.25), output_scale, layers, normal(8), 0.1, {"from": "a test"})


def torque_of_torch(given: Network, error: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """The unclipped torques (T, M) of torch's own LSTM for series (T, M)."""
    lstm = torch.nn.LSTM(2, 8, num_layers=2)
    with torch.no_grad():
        for index, layer in enumerate(given.layers):
            getattr(lstm, f"weight_ih_l{index}").copy_(torch.from_numpy(layer.input))
            getattr(lstm, f"weight_hh_l{index}").copy_(torch.from_numpy(layer.recurrent))
            getattr(lstm, f"bias_ih_l{index}").copy_(torch.from_numpy(layer.bias))
            getattr(lstm, f"bias_hh_l{index}").zero_()
        inputs = np.stack([error, velocity], axis=-1) * np.array(given.input_scale)
        hidden, _ = lstm(torch.from_numpy(inputs.astype(np.float32)))
        return given.output_scale * (hidden.numpy() @ given.weight + given.bias)


def series(steps: int, robots: int, joints: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, positions and velocities (T, N, J)."""
    draw = np.random.default_rng(1)
    shape = (steps, robots, joints)
    target, position = (draw.uniform(-1, 1, shape).astype(np.float32) for _ in range(2))
    return target, position, draw.uniform(-10, 10, shape).astype(np.float32)


def run(actuator: Any, xp: ModuleType, inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Torques (T, N, J) and the last memory."""
    memory = actuator.initial(inputs[0].shape[1], xp)
    torques = []
    for row in zip(*inputs):
        memory, torque = actuator.torque(memory, *(xp.asarray(part) for part in row))
        torques.append(np.asarray(torque))
    return np.stack(torques), np.asarray(memory)


def test_the_gates_are_in_the_order_that_torch_has_them() -> None:
    assert GATES == ("input", "forget", "cell", "output")


@pytest.mark.parametrize("name", NAMESPACES)
def test_it_is_torchs_lstm_on_every_namespace(name: str) -> None:
    given = network()
    inputs = series(60, 3, 2)
    flat = [(inputs[0] - inputs[1]).reshape(60, 6), inputs[2].reshape(60, 6)]
    expected = torque_of_torch(given, *flat).reshape(60, 3, 2)
    torques, memory = run(LSTM(given, LIMITS[:2]), NAMESPACES[name], inputs)
    assert torques.dtype == np.float32 and memory.shape == (32, 3, 2)
    assert np.abs(expected).max() > 10 and np.abs(expected).max() < 50  # N m, so that nothing is clipped
    np.testing.assert_allclose(torques, expected, atol=2e-4)


def test_the_three_namespaces_agree() -> None:
    inputs = series(200, 4, 12)
    torques = [run(LSTM(network(), LIMITS), xp, inputs)[0] for xp in NAMESPACES.values()]
    np.testing.assert_allclose(torques[0], torques[1], atol=5e-4)
    np.testing.assert_allclose(torques[0], torques[2], atol=5e-4)


def test_sharing_the_drives_out_to_threads_does_not_change_the_torques(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = series(5, 7, 12)
    whole = run(LSTM(network(), LIMITS), numpy_xp, inputs)
    monkeypatch.setattr(LSTM, "PART", 13)
    parts = run(LSTM(network(), LIMITS), numpy_xp, inputs)
    for a, b in zip(whole, parts):
        np.testing.assert_array_equal(a, b)


def test_without_compiled_kernels_it_is_the_same_but_for_rounding() -> None:
    inputs = series(100, 5, 12)
    compiled_ones = run(LSTM(network(), LIMITS, [12.0] * 12), numpy_xp, inputs)
    with compiled.plain():
        plain_ones = run(LSTM(network(), LIMITS, [12.0] * 12), numpy_xp, inputs)
    for a, b in zip(compiled_ones, plain_ones):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_the_compiled_hyperbolic_tangent() -> None:
    x = np.concatenate([np.linspace(-12, 12, 2001), [1e-8, 1e30, -1e30, np.inf, -np.inf]]).astype(np.float32)
    found = np.array([lstm._tanh.py_func(value) for value in x])
    np.testing.assert_allclose(found, np.tanh(x.astype(float)), atol=4e-7)
    assert np.abs(found).max() == 1 and np.isnan(lstm._tanh.py_func(np.float32(np.nan)))


def test_torques_are_clipped_at_each_joints_limit() -> None:
    strong = network(output_scale=2000.0)
    torques, _ = run(LSTM(strong, [50.0, 30.0]), numpy_xp, series(20, 4, 2))
    assert np.abs(torques[..., 0]).max() == 50 and np.abs(torques[..., 1]).max() == 30


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_robot_whose_memory_is_cleared_begins_anew_and_the_others_go_on(name: str) -> None:
    xp, actuator, inputs = NAMESPACES[name], LSTM(network(), LIMITS[:2]), series(12, 3, 2)
    memory = actuator.initial(3, xp)
    for row in zip(*inputs):
        memory, going_on = actuator.torque(memory, *(xp.asarray(part) for part in row))
    before = np.asarray(memory).copy()
    cleared = actuator.clear(memory, xp.asarray(np.array([False, True, False])))
    np.testing.assert_array_equal(np.asarray(memory), before)  # what was given stays as it is
    np.testing.assert_array_equal(np.asarray(cleared)[:, 1], 0)
    np.testing.assert_array_equal(np.asarray(cleared)[:, [0, 2]], before[:, [0, 2]])
    first = [xp.asarray(part[0]) for part in inputs]
    _, fresh = actuator.torque(actuator.initial(3, xp), *first)
    _, ours = actuator.torque(cleared, *first)
    _, others = actuator.torque(memory, *first)
    np.testing.assert_allclose(np.asarray(ours)[1], np.asarray(fresh)[1], atol=1e-5)
    np.testing.assert_allclose(np.asarray(ours)[[0, 2]], np.asarray(others)[[0, 2]], atol=1e-5)
    assert np.abs(np.asarray(others)[1] - np.asarray(fresh)[1]).max() > 0.5


def test_under_jit_and_scan_it_is_the_same() -> None:
    actuator, inputs = LSTM(network(), LIMITS[:2]), series(30, 3, 2)

    @jax.jit
    def rollout(memory: Any, rows: Any) -> Any:
        return jax.lax.scan(lambda m, row: actuator.torque(m, *row), memory, rows)

    memory, torques = rollout(actuator.initial(3, jnp), tuple(jnp.asarray(part) for part in inputs))
    expected, last = run(actuator, numpy_xp, inputs)
    np.testing.assert_allclose(torques, expected, atol=2e-4)
    np.testing.assert_allclose(memory, last, atol=1e-4)


@pytest.mark.parametrize("name", NAMESPACES)
def test_the_pd_law(name: str) -> None:
    xp = NAMESPACES[name]
    actuator = PD(BIPED)
    memory = actuator.initial(2, xp)
    target, position, velocity = (xp.asarray(np.array(rows, np.float32)) for rows in (
        [[0.5, 0.0], [3.0, -3.0]], [[0.1, 0.1], [0.0, 0.0]], [[2.0, -1.0], [0.0, 0.0]]
    ))  # fmt: skip
    memory, torque = actuator.torque(memory, target, position, velocity)
    np.testing.assert_allclose(np.asarray(torque), [[40 * 0.4 - 2, -40 * 0.1 + 1], [50, -50]], rtol=1e-6)
    assert actuator.clear(memory, xp.asarray(np.array([True, False]))).shape == (0, 2)


def test_a_network_survives_json_and_refuses_edits(tmp_path: Path) -> None:
    given = network()
    given.save(tmp_path / "drive.json")
    text = (tmp_path / "drive.json").read_text()
    again = Network.from_json(text)
    assert (again.hash, again.provenance, again.to_json()) == (given.hash, given.provenance, given.to_json())
    np.testing.assert_array_equal(again.layers[1].recurrent, given.layers[1].recurrent)
    with pytest.raises(ValueError, match="drive 'random' was changed: its hash is"):
        Network.from_json(text.replace('"output_scale": 20.0', '"output_scale": 21.0'))
    with pytest.raises(ValueError, match="not a drive's network: its format is None"):
        Network.from_json("{}")
    assert network(seed=1).hash != given.hash


def test_a_network_of_wrong_shapes_is_refused() -> None:
    given = network()
    with pytest.raises(ValueError, match="'random': layer 0 of 8 units and 2 inputs needs .*got"):
        dataclasses.replace(given, layers=given.layers[1:])
    with pytest.raises(ValueError, match="weight needs shape"):
        dataclasses.replace(given, weight=np.ones(7, np.float32))
    with pytest.raises(ValueError, match="NaN"):
        dataclasses.replace(given, weight=np.full(8, np.nan, np.float32))


@pytest.mark.parametrize("name", NAMESPACES)
def test_no_drive_pushes_a_joint_beyond_its_speed_limit(name: str) -> None:
    """In the direction of motion: all of its torque up to half the speed limit, half at three quarters, then none."""
    xp, still = NAMESPACES[name], network()
    velocity = np.array([[-30.0, 0.0, 9.9, 15.0, 20.0, 30.0]], np.float32)
    for sign, expected in ((1, [50, 50, 50, 25, 0, 0]), (-1, [0, -50, -50, -50, -50, -50])):
        pushing = dataclasses.replace(still, weight=np.zeros(8, np.float32), bias=100.0 * sign)
        actuator = LSTM(pushing, [50.0] * 6, [20.0] * 6)
        zero = xp.asarray(np.zeros((1, 6), np.float32))
        _, torque = actuator.torque(actuator.initial(1, xp), zero, zero, xp.asarray(velocity))
        np.testing.assert_allclose(np.asarray(torque)[0], expected, atol=1e-4)


def test_the_task_names_its_drive(tmp_path: Path) -> None:
    path = tmp_path / "drive.json"
    network().save(path)
    task = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
    driven = dataclasses.replace(task, actuator=LSTMActuator(str(path), network().hash))
    assert isinstance(actuator_of(task), PD) and isinstance(actuator_of(driven), LSTM)
    assert driven.hash != task.hash
    assert type(task).from_json(driven.to_json()) == driven
    with pytest.raises(ValueError, match="had the hash other; the one that is here has"):
        actuator_of(dataclasses.replace(driven, actuator=LSTMActuator(str(path), "other")))
    with pytest.raises(ValueError, match="no drive's network 'nowhere'"):
        actuator_of(dataclasses.replace(driven, actuator=LSTMActuator("nowhere", "")))
    slow = dataclasses.replace(task.timing, physics_dt=0.01)
    with pytest.raises(ValueError, match=r"every 0.005 s, timing.physics_dt is 0.01 s"):
        actuator_of(dataclasses.replace(driven, timing=slow))


def test_in_the_environment_it_goes_on_from_a_save_bit_by_bit_and_forgets_at_a_reset(tmp_path: Path) -> None:
    path = tmp_path / "drive.json"
    network().save(path)
    task = task_of("Loco/AnymalC-Flat-v0")
    env = LocoVectorEnv(dataclasses.replace(task, actuator=LSTMActuator(str(path), network().hash)), 3, stagger=False)
    env.reset(seed=0)
    action = np.random.default_rng(0).uniform(-1, 1, (20, 3, 12)).astype(np.float32)
    for row in action[:10]:
        env.step(row)
    saved = env.save()
    assert saved["physics.actuator"].shape == (32, 3, 12)
    first = [env.step(row)[0] for row in action[10:]]
    env.restore(saved)
    for row, expected in zip(action[10:], first):
        np.testing.assert_array_equal(env.step(row)[0], expected)
    limit = np.abs(env.state.episodes.readout.joint_torque).max()
    assert 1 < limit <= 80
    env.simulator.place(None, np.array([False, True, False]), env.state.episodes.readout)
    memory = env.save()["physics.actuator"]
    assert (memory[:, 1] == 0).all() and (np.abs(memory[:, [0, 2]]).max(axis=0) > 0.01).all()


@pytest.mark.parametrize("robots", [1, 3, 11, 90, 500])
def test_a_drive_does_not_depend_on_how_many_others_there_are(robots: int) -> None:
    network = LSTM(load("anydrive"), [80.0] * 12, [20.0] * 12)
    target, position, velocity = np.random.default_rng(0).standard_normal((3, 600, 12), dtype=np.float32)
    results = []
    for count in (600, robots):
        memory, torque = network.initial(count, np), np.zeros(0)
        for _ in range(20):
            memory, torque = network.torque(memory, target[:count], position[:count], velocity[:count])
        results.append((memory[:, :robots], torque[:robots]))
    for all_of_them, few in zip(*results):
        assert np.array_equal(all_of_them, few)
