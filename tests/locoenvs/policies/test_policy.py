"""A policy survives the trip to disk and back, and one that does not belong is refused."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake import BIPED
from locoenvs.mdp.layout import layout
from locoenvs.policies import mlp, onnx_format
from locoenvs.policies.policy import Policy, load_policy, save_policy
from locoenvs.tasks.robot import Body, Robot
from locoenvs.tasks.task import HeightScan, Observations, Task, Terrain, Timing, hash_of

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TASK = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None))
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
        "velocity_limit": 20.0,
        "lower": -1.0,
        "upper": 1.0,
        "body": "right",
        "axis": [0.0, 1.0, 0.0],
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
            TASK.with_({"observations.slots.joint_velocity.scale": 0.1}),
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
    noisy = TASK.with_({"observations.slots.joint_velocity.noise": 0.5}, recipe="mine")
    load_policy(saved(tmp_path)).check(noisy)


def test_the_place_of_the_height_samples_is_part_of_the_layout(tmp_path: Path) -> None:
    task = Task(BIPED)
    save_policy(tmp_path, task, layers(SIZE + 108, 2))
    policy = load_policy(tmp_path)
    policy.check(task)
    with pytest.raises(ValueError, match="height samples: .*1.6.*1.7"):
        policy.check(dataclasses.replace(task, observations=Observations.paper(heights=HeightScan(length=1.7))))


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


def read(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "policy.json").read_text())
    assert isinstance(document, dict)
    return document


def write(folder: Path, document: object) -> None:
    (folder / "policy.json").write_text(json.dumps(document))


def planted(folder: Path, network: bytes) -> None:
    """Another network in the folder of a policy, and its hash in the JSON."""
    (folder / "policy.onnx").write_bytes(network)
    document = read(folder)
    write(folder, {**document, "onnx": {**document["onnx"], "sha256": hashlib.sha256(network).hexdigest()}})


def put(document: Any, path: str, value: object) -> None:
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
    for key in parents:
        document = document[key]
    document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "own"),
    [
        ("action.scale", 0.25, "0.5"),
        ("action.clip", 1.0, "100.0"),
        ("joints.0.default_position", 0.0, "0.2"),
        ("joints.1.name", "left_hip", "'right_hip'"),
        ("joints.0.axis.1", -1, "1.0"),
        ("control_dt", 0.01, "0.02"),
        ("control.decimation", True, "4"),
        ("observation.size", 7, str(SIZE)),
        ("observation.slots.2.scale", 2, "1.0"),
        ("observation.slots.5.name", "joint_angle", "'joint_position'"),
        ("observation.heights", {}, "None"),
        ("actuator.kind", "lstm", "'pd'"),
        ("command.heading_gain", 5, "0.5"),
        ("network.hidden", [8, 4, 2], "[8, 4]"),
        ("network.activation", "tanh", "its operators.1 is 'Elu'"),
        ("network.normalization", {"mean": [0], "std": [1]}, "None"),
    ],
)
def test_what_the_json_says_must_be_what_its_task_and_its_network_say(
    tmp_path: Path, path: str, value: object, own: str
) -> None:
    document = read(saved(tmp_path))
    put(document, path, value)
    write(tmp_path, document)
    with pytest.raises(ValueError) as refused:
        load_policy(tmp_path)
    assert own in str(refused.value)
    assert path in str(refused.value) or path == "network.activation"


def test_every_field_must_be_there_and_of_its_type(tmp_path: Path) -> None:
    document = read(saved(tmp_path))
    for field in document:
        write(tmp_path, {name: value for name, value in document.items() if name != field})
        with pytest.raises(ValueError, match=field.replace("_", ".")):
            load_policy(tmp_path)
        for wrong in (7, "text", [], True, {"a": 1}):
            if (field, type(wrong)) in (("conventions", dict), ("provenance", dict), ("environment", str)):
                continue  # words, and what is stored as it is
            write(tmp_path, {**document, field: wrong})
            with pytest.raises(ValueError, match=field.replace("_", ".")):
                load_policy(tmp_path)
    write(tmp_path, {**document, "more": 1})
    with pytest.raises(ValueError, match="policy.json: more is 1, but by its task it is unknown"):
        load_policy(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is no JSON object but"),
        ('{"format": NaN}', "is not JSON"),
        ("[" * 100000, "is not JSON: recursion limit"),
        ('{"format": ' + "9" * 5000 + "}", "is not JSON: number out of range"),
        ('{"format": "' + "x" * 9_000_000 + '"}', "is larger than"),
        ('{"format": "' + "x" * 1_000_000 + '"}', "its format is 'xxx"),
    ],
)
def test_what_is_no_document_is_refused_in_one_short_line(tmp_path: Path, text: str, message: str) -> None:
    (saved(tmp_path) / "policy.json").write_text(text)
    begun = time.process_time()
    with pytest.raises(ValueError, match=message) as refused:
        load_policy(tmp_path)
    assert len(str(refused.value)) < 400 and time.process_time() - begun < 2


def test_only_the_two_files_of_the_folder_are_read(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("policy.onnx", "policy.json"):
        (linked / name).symlink_to(tmp_path / "a" / name)
    assert load_policy(linked).task == load_policy(tmp_path / "a" / "policy.json").task == TASK
    with pytest.raises(FileNotFoundError, match="the two files of a policy are called policy.onnx and policy.json"):
        load_policy(tmp_path / "a" / "other.onnx")
    document = read(tmp_path / "a")
    write(tmp_path / "a", {**document, "onnx": {**document["onnx"], "file": "../policy.onnx"}})
    with pytest.raises(ValueError, match=r"onnx.file: Input should be 'policy.onnx', got '../policy.onnx'"):
        load_policy(tmp_path / "a")
    (linked / "policy.json").unlink()
    (linked / "policy.json").mkdir()
    with pytest.raises(FileNotFoundError, match="policy.json missing"):
        load_policy(linked)


def test_a_network_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    with (saved(tmp_path) / "policy.onnx").open("ab") as file:
        file.truncate(2**40)  # takes no place on disk
    with pytest.raises(ValueError, match=f"larger than {mlp.LARGEST} bytes"):
        load_policy(tmp_path)
    saved(tmp_path)
    huge = json.loads(Task(BIPED).to_json())
    (heights,) = (slot for slot in huge["observations"]["slots"] if slot["name"] == "heights")
    heights["parameters"]["rows"] = 10**7
    document = {**read(tmp_path), "task": huge, "task_hash": hash_of(huge)}
    write(tmp_path, document)
    with pytest.raises(ValueError, match="rows|too many for a policy's network"):
        load_policy(tmp_path)


def test_saving_refuses_what_loading_would(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="environment: Input should be a valid string, got 3"):
        save_policy(tmp_path / "x", TASK, layers(SIZE, 2), provenance={"environment": 3})
    with pytest.raises(ValueError, match="make it smaller"):
        save_policy(tmp_path / "x", TASK, layers(SIZE, 2100, 2100, 2))
    with pytest.raises(ValueError, match="std must be positive"):
        save_policy(tmp_path / "x", TASK, layers(SIZE, 2), mean=np.zeros(SIZE), std=np.full(SIZE, 1e-60))
    assert not (tmp_path / "x").exists()


def test_without_onnxruntime_a_policy_acts_the_same_on_numpy_and_without_protobuf_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observations = np.random.default_rng(0).normal(size=(5, SIZE)).astype(np.float32)
    policy = load_policy(saved(tmp_path))
    actions = policy(observations)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    again = load_policy(tmp_path)
    np.testing.assert_allclose(again(observations), actions, atol=1e-6)
    assert type(again._session).__name__ == "_OnNumpy"
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    onnx_format._model.cache_clear()
    with pytest.raises(ImportError, match=r"a policy's network needs protobuf: pip install .*\[policy\]"):
        load_policy(tmp_path)


VERSION_1 = {"joints": 5, "slots": 6}
"""Fields of a joint and of a slot in files of version 1."""


def as_version_2(document: dict[str, Any]) -> dict[str, Any]:
    old = {name: value for name, value in copy.deepcopy(document).items() if name != "limits"}
    del (
        old["control"]["action_delay"],
        old["control"]["observation_delay"],
        old["onnx"]["states"],
        old["network"]["memory"],
    )
    return {**old, "format_version": 2}


def as_version_1(document: dict[str, Any]) -> dict[str, Any]:
    today = as_version_2(document)
    old = {name: today[name] for name in today if name not in ("conventions", "control", "actuator", "command")}
    first = lambda each, count: dict(list(each.items())[:count])  # noqa: E731
    seen = {name: value for name, value in old["observation"].items() if name != "heights"}
    return {
        **old,
        "format_version": 1,
        "joints": [first(joint, VERSION_1["joints"]) for joint in old["joints"]],
        "observation": {**seen, "slots": [first(slot, VERSION_1["slots"]) for slot in seen["slots"]]},
    }


@pytest.mark.parametrize("as_old", [as_version_1, as_version_2])
def test_files_of_older_versions_are_read_and_say_as_much_as_todays(
    tmp_path: Path, as_old: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    today = read(saved(tmp_path, mean=np.linspace(-1, 1, SIZE), std=np.linspace(0.1, 2, SIZE)))
    old = as_old(today)
    write(tmp_path, old)
    policy = load_policy(tmp_path)
    assert policy.document == today
    policy.save(tmp_path / "again")
    assert read(tmp_path / "again") == today
    assert (tmp_path / "again" / "policy.onnx").read_bytes() == (tmp_path / "policy.onnx").read_bytes()
    for path, value in (("action.scale", 2), ("observation.slots.0.noise", 1), ("joints.0.stiffness", 41)):
        changed = copy.deepcopy(old)
        put(changed, path, value)
        write(tmp_path, changed)
        with pytest.raises(ValueError, match=f"{path} is {value}, but by its task"):
            load_policy(tmp_path)


def hostile_networks(network: bytes) -> Iterator[tuple[str, bytes]]:
    """(what is wrong with it, ONNX file): one change each to a good network."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def changed(change: Callable[[Any], None]) -> bytes:
        model = onnx.load_model_from_string(network)
        change(model)
        return bytes(model.SerializeToString())

    def loop(model: Any) -> None:
        """Counts to 10^15 before it acts."""
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["x"], ["y"])],
            "body",
            [helper.make_tensor_value_info("i", TensorProto.INT64, []),
             helper.make_tensor_value_info("go", TensorProto.BOOL, []),
             helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
            [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
             helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        )  # fmt: skip
        model.graph.initializer.append(numpy_helper.from_array(np.array(10**15), "trips"))
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
        model.graph.node.insert(0, helper.make_node("Loop", ["trips", "true", "obs"], ["seen"], body=body))
        model.graph.node[1].input[0] = "seen"

    def branch(model: Any) -> None:
        empty = helper.make_graph([], "then", [], [])
        model.graph.node.append(helper.make_node("If", ["obs"], ["a"], then_branch=empty, else_branch=empty))

    def external(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")

    def nan(model: Any) -> None:
        shape = tuple(model.graph.initializer[0].dims)
        model.graph.initializer[0].raw_data = np.full(shape, np.nan, "f4").tobytes()

    def shape(model: Any) -> None:
        model.graph.initializer[0].dims[:] = [10**9, 10**9]

    def double(model: Any) -> None:
        name = model.graph.initializer[1].name
        model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.zeros(8), name))

    def unused(model: Any) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(8, "f4"), "more"))

    def swapped(model: Any) -> None:
        model.graph.node[0].input[1], model.graph.node[0].input[2] = model.graph.node[0].input[2], "weight_0"

    def function(model: Any) -> None:
        node, opset = helper.make_node("Relu", ["x"], ["y"]), [helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function("local", "Elu", ["x"], ["y"], [node], opset))

    yield "operator 'Loop' is none of a policy's", changed(loop)
    yield "operator 'If' is none of a policy's", changed(branch)
    yield "'weight_0' lies in another file", changed(external)
    yield "layer 0 has weights that are NaN", changed(nan)
    yield "'weight_0' has another number of values than its shape says", changed(shape)
    yield "'bias_0' must hold float32", changed(double)
    yield "its weights", changed(unused)
    yield "its nodes.0.1.1", changed(swapped)
    yield "its other parts is ['Model.25']", changed(function)
    yield "its nodes.0.0 is 'local'", changed(lambda model: setattr(model.graph.node[0], "domain", "local"))
    yield (
        "its nodes.0.3",
        changed(lambda model: model.graph.node[0].attribute.append(helper.make_attribute("alpha", 2.0))),
    )
    yield "its operators.1 is 'Relu'", changed(lambda model: setattr(model.graph.node[1], "op_type", "Relu"))
    yield "its opsets.0.1 is 13", changed(lambda model: setattr(model.opset_import[0], "version", 13))
    yield "its opsets is", changed(lambda model: model.opset_import.append(helper.make_opsetid("ai.other", 1)))
    yield "its outputs is", changed(lambda model: model.graph.output.append(model.graph.output[0]))
    yield "the last layer must give 2 actions", changed(lambda model: model.graph.ClearField("initializer"))
    yield "it is not an ONNX model", b"\xff" * 100
    yield "it is not an ONNX model", network[: len(network) // 2]


def test_only_the_one_network_that_is_written_here_is_read_and_no_other_reaches_a_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    network = (saved(tmp_path) / "policy.onnx").read_bytes()
    started: list[bytes] = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda model, *a, **named: started.append(model) or session(model, *a, **named)
    )
    for message, foreign in hostile_networks(network):
        planted(tmp_path, foreign)
        begun = time.process_time()
        with pytest.raises(ValueError) as refused:
            load_policy(tmp_path)(np.zeros((1, SIZE), np.float32))
        text = str(refused.value)
        assert message in text and str(tmp_path / "policy.onnx") in text and "\n" not in text
        assert time.process_time() - begun < 2
    assert not started
    import onnx

    model = onnx.load_model_from_string(network)
    model.graph.node[1].name = "a name, which means nothing"
    planted(tmp_path, model.SerializeToString())
    load_policy(tmp_path)(np.zeros((1, SIZE), np.float32))
    assert started == [network]


VALUES = (
    None,
    True,
    -1,
    0,
    1,
    3.5,
    1e308,
    -1e-320,
    2**63,
    10**30,
    "",
    "x" * 5000,
    "a\nb",
    [],
    {},
    [[[[]]]],
    {"a": 1},
    [0] * 500,
)


def mutate(value: Any, rng: random.Random) -> Any:
    """``value``, JSON, with one change somewhere in it."""
    inner = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not inner or rng.random() < 0.1:
        if isinstance(value, float | int) and rng.random() < 0.5:
            return value * rng.choice((2, -1, 1e9)) + rng.choice((0, 1, 1e-9))
        return copy.deepcopy(rng.choice(VALUES))
    key, changed = rng.choice(inner), copy.copy(value)
    if (chance := rng.random()) < 0.1:
        del changed[key]
    elif chance < 0.15 and isinstance(changed, dict):
        changed["more"] = rng.choice(VALUES)
    elif chance < 0.2 and isinstance(changed, list):
        changed.append(copy.deepcopy(changed[key]))
    else:
        changed[key] = mutate(value[key], rng)
    return changed


def refused_or_the_same(folder: Path, own: Policy) -> bool:
    """Whether loading the folder is refused; if not, the policy must act as ``own`` and be described by its own task."""
    begun = time.process_time()
    try:
        policy = load_policy(folder)
    except (ValueError, FileNotFoundError) as error:
        text = str(error)
        assert "\n" not in text and len(text) < len(str(folder)) + 700, text
        return True
    finally:
        assert time.process_time() - begun < 2
    seen = np.random.default_rng(0).normal(size=(3, SIZE)).astype("f4")
    assert policy(seen).shape == (3, 2)
    document = dict(policy.document)
    if policy.sha256 == own.sha256 and policy.task == own.task:
        np.testing.assert_array_equal(policy(seen), own(seen))
        document |= {name: own.document[name] for name in ("environment", "provenance", "task", "task_hash")}
        assert document == own.document
    save_policy(folder / "again", policy.task, policy.layers())
    described = read(folder / "again")
    for name in ("joints", "action", "observation", "actuator", "control_dt", "control", "command"):
        assert document[name] == described[name]
    return False


def fuzz_the_json(folder: Path, seed: int, count: int) -> int:
    """How many of ``count`` changed policy.json are refused; every other time the task's hash is set right again."""
    rng, refused = random.Random(seed), 0
    own, document = load_policy(saved(folder)), read(folder)
    for number in range(count):
        changed = document if number % 4 else as_version_1(document)
        for _ in range(rng.choice((1, 1, 1, 3))):
            changed = mutate(changed, rng)
        if number % 2 and isinstance(changed, dict):
            try:
                changed = {**changed, "task_hash": hash_of(changed["task"])}
            except (KeyError, TypeError, AttributeError):
                pass  # no task is left
        text = json.dumps(changed)
        cut = rng.randrange(len(text)) if rng.random() < 0.05 else len(text)
        (folder / "policy.json").write_text(text[:cut])
        refused += refused_or_the_same(folder, own)
    return refused


def fuzz_the_network(folder: Path, seed: int, count: int) -> int:
    """How many of ``count`` changed policy.onnx, whose hash is set right, are refused."""
    rng, refused = random.Random(seed), 0
    own = load_policy(saved(folder))
    network = (folder / "policy.onnx").read_bytes()
    for number in range(count):
        changed = bytearray(network)
        for _ in range(rng.choice((1, 1, 4, 30))):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        if number % 10 == 0:
            changed = changed[: rng.randrange(len(changed))]
        if number % 10 == 1:
            start = rng.randrange(len(changed))
            changed[start:start] = changed[rng.randrange(len(changed)) :]
        planted(folder, bytes(changed))
        refused += refused_or_the_same(folder, own)
    return refused


def test_a_changed_json_is_refused_or_means_the_same(tmp_path: Path) -> None:
    assert 100 < fuzz_the_json(tmp_path, 0, 200) < 200


@pytest.mark.slow
def test_a_changed_network_is_refused_or_is_one_of_ours(tmp_path: Path) -> None:
    assert 30 < fuzz_the_network(tmp_path, 0, 200) < 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robot": changed_joint(damping=2.0)}, r"gains .* \(\(40.0, 1.0\).*\(\(40.0, 2.0\)"),
        ({"robot": changed_joint(torque_limit=51.0)}, r"torque limits \(N m\): .*50.0.*51.0"),
        ({"robot": changed_joint(default=0.1)}, r"default pose \(rad\): .*0.2, -0.2.*0.1, 0.1"),
        ({"robot": dataclasses.replace(BIPED, action_scale=0.4)}, "action scale: the policy has 0.5, the task 0.4"),
        ({"timing": Timing(decimation=2)}, r"control step \(s\): the policy has 0.02, the task 0.01"),
        ({"observations": dataclasses.replace(TASK.observations, clip=50.0)}, "observation clip: the policy has 100.0, the task 50.0"),
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
