"""A recurrent policy does what torch's own network does, remembers robot by robot, and its files are believed as little as others."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake import BIPED
from locoenvs.mdp.layout import layout
from locoenvs.policies.deploy.log import again, read_log
from locoenvs.policies.deploy.runtime import Runtime
from locoenvs.policies.memory import Memory
from locoenvs.policies.policy import episodes_begin, load_policy, save_policy
from locoenvs.policies.transfer import layers_for
from locoenvs.tasks.task import Observations, Task, Terrain

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

TASK = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None))
SIZE = layout(TASK)[-1].stop
KINDS = [("gru", 1), ("gru", 2), ("lstm", 1), ("lstm", 2)]


class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Normalization, a tiny recurrent module, two layers."""

    def __init__(self, kind: str, layers: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.memory = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](SIZE, 5, layers)
        self.first, self.last = torch.nn.Linear(5, 4), torch.nn.Linear(4, 2)
        self.mean, self.std = torch.linspace(-1, 1, SIZE), torch.linspace(0.5, 2, SIZE)

    def forward(self, observations: Any) -> Any:
        """Of (T, N, O)."""
        return self.last(torch.nn.functional.elu(self.first(self.memory((observations - self.mean) / self.std)[0])))


def saved(folder: Path, net: Net) -> Path:
    from locoenvs.wrappers.networks import layers, memory

    modules = layers([net.first, net.last])
    save_policy(folder, TASK, modules, "elu", net.mean.numpy(), net.std.numpy(), memory=memory(net.memory))
    return folder


def observations(steps: int, robots: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(steps, robots, SIZE)).astype("f4")


@pytest.mark.parametrize(("kind", "count"), KINDS)
def test_it_is_torchs_network_and_remembers_robot_by_robot(kind: str, count: int, tmp_path: Path) -> None:
    net = Net(kind, count)
    policy, seen = load_policy(saved(tmp_path, net)), observations(6, 3)
    with torch.no_grad():
        expected = net(torch.from_numpy(seen)).numpy()
        later = net(torch.from_numpy(seen[3:])).numpy()
    assert policy.recurrent
    assert policy.document["network"]["memory"] == {"kind": kind, "size": 5, "layers": count}
    states = policy.document["onnx"]["states"]
    assert len(states) == count * (2 if kind == "lstm" else 1) and states[0]["size"] == [5]
    np.testing.assert_allclose([policy(each) for each in seen], expected, atol=1e-6)
    assert np.abs(policy(seen[0]) - expected[0]).max() > 1e-3, "it remembers"
    policy.reset()
    for step, each in enumerate(seen):
        if step == 3:
            episodes_begin(policy, np.array([False, True, False]))
        actions = policy(each)
        np.testing.assert_allclose(actions[[0, 2]], expected[step, [0, 2]], atol=1e-6)
        if step >= 3:
            np.testing.assert_allclose(actions[1], later[step - 3, 1], atol=1e-6)
    with pytest.raises(ValueError, match=r"2 observations after 3: .* call reset\(\) first"):
        policy(seen[0, :2])
    policy.reset()
    assert policy(seen[0, :2]).shape == (2, 2)


def test_its_files_survive_the_trip(tmp_path: Path) -> None:
    policy = load_policy(saved(tmp_path / "a", Net("lstm", 2)))
    policy.save(tmp_path / "b")
    for name in ("policy.onnx", "policy.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(("kind", "count"), KINDS)
def test_runtime_py_remembers_too(kind: str, count: int, tmp_path: Path) -> None:
    policy = load_policy(saved(tmp_path, Net(kind, count)))
    run = Runtime(tmp_path, log=tmp_path / "log")
    rng, slots = np.random.default_rng(2), {slot.name: slot for slot in layout(TASK)}
    last = np.zeros(2)
    for step in range(12):
        if step in (0, 7):
            policy.reset()
            run.reset()
            last = np.zeros(2)
        joints, speeds = rng.uniform(-0.4, 0.4, (2, 2))
        joints = run.default + joints / 2  # a start is near the default pose
        seen = {"base_linear_velocity": rng.uniform(-1, 1, 3), "base_angular_velocity": rng.uniform(-1, 1, 3)}
        seen |= {"projected_gravity": [0, 0, -1], "joint_position": joints, "joint_velocity": speeds}
        seen["command"] = rng.uniform(-1, 1, 3)
        values = {**seen, "joint_position": joints - run.default, "last_action": last}
        values |= {"command_linear_velocity": seen["command"][:2], "command_yaw_rate": seen["command"][2:]}
        observation = np.concatenate([slots[name].scale * np.asarray(values[name]) for name in slots])
        run.step(0.02 * step, seen)
        np.testing.assert_allclose(run.action, policy(observation[None])[0], atol=1e-5)
        last = run.action
    run.close()
    log = read_log(tmp_path / "log")
    np.testing.assert_array_equal(again(log, policy), log.actions)


def test_a_recurrent_policy_starts_no_other_training(tmp_path: Path) -> None:
    policy = load_policy(saved(tmp_path, Net("gru", 1)))
    with pytest.raises(ValueError, match=r"the policy is recurrent \(gru\): layers alone are not what it does"):
        layers_for(policy, TASK)


def test_what_a_memory_cannot_be_is_refused(tmp_path: Path) -> None:
    from locoenvs.wrappers.networks import memory

    good = memory(torch.nn.GRU(SIZE, 5)).units
    weights = [(np.zeros((2, 5)), np.zeros(2))]
    for units, why in (
        ([], "a memory must have a layer"),
        ([good[0], good[0]], r"layer 1 of the memory, gru, must have weights and biases of shapes \(\(15, 5\)"),
        ([(good[0][0][:, 1:], *good[0][1:])], "layer 0 of the memory"),
        ([(good[0][0] * np.nan, *good[0][1:])], "layer 0 of the memory has weights that are NaN"),
    ):
        with pytest.raises(ValueError, match=why):
            save_policy(tmp_path, TASK, weights, memory=Memory("gru", units))
    with pytest.raises(ValueError, match="unknown kind of memory"):
        save_policy(tmp_path, TASK, weights, memory=Memory("rnn", good))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be of a GRU with bias=False, bidirectional=True"):
        memory(torch.nn.GRU(SIZE, 5, bias=False, bidirectional=True))
    assert not list(tmp_path.iterdir())


def test_files_that_were_changed_are_refused(tmp_path: Path) -> None:
    import onnx

    saved(tmp_path, Net("gru", 1))
    document, network = json.loads((tmp_path / "policy.json").read_text()), (tmp_path / "policy.onnx").read_bytes()

    def refused(change: Any, why: str) -> None:
        made = copy.deepcopy(document)
        change(made)
        (tmp_path / "policy.json").write_text(json.dumps(made))
        with pytest.raises(ValueError, match=why):
            load_policy(tmp_path)

    def memory(**changes: Any) -> Any:
        return lambda made: made["network"]["memory"].update(changes)

    refused(memory(kind="lstm"), "it has no weights 'unit_0_input_input_weight', which its memory, lstm, needs")
    refused(memory(kind="rnn"), "network.memory.kind")
    refused(memory(layers=2), "it has no weights 'unit_1_reset_input_weight'")
    refused(memory(size=6), "network.memory.size is 6, but by policy.onnx it is 5")
    refused(lambda made: made["network"].update(memory=None), "operator 'Add' is none of a policy's")
    refused(lambda made: made["onnx"].update(states=[]), "onnx.states is .*, but by policy.onnx")
    refused(lambda made: made["onnx"]["states"][0].update(size=[10**9]), "onnx.states.0.size.0 is 1000000000")

    def changed(change: Any, why: str) -> None:
        model = onnx.load_model_from_string(network)
        change(model.graph)
        content = model.SerializeToString()
        (tmp_path / "policy.onnx").write_bytes(content)
        refused(lambda made: made["onnx"].update(sha256=hashlib.sha256(content).hexdigest()), why)

    def swap(graph: Any) -> None:
        graph.node[-4].op_type = "Sub"

    def cut(graph: Any) -> None:
        weight = next(each for each in graph.initializer if each.name == "unit_0_new_input_weight")
        weight.CopyFrom(onnx.numpy_helper.from_array(np.zeros((5, 3), "f4"), weight.name))

    def flat(graph: Any) -> None:
        weight = next(each for each in graph.initializer if each.name == "unit_0_new_input_bias")
        weight.CopyFrom(onnx.numpy_helper.from_array(np.float32(1), weight.name))

    changed(swap, "its operators.* is 'Sub'")
    changed(cut, "layer 0 of its memory has weights of different shapes")
    changed(flat, "layer 0 of its memory has weights of different shapes")
    changed(lambda graph: graph.output.pop(), "its outputs is")
