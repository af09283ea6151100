"""The examples, run as they are from a folder of their own: each is short, and does what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from programs import printed_by

from locoenvs.cli.app import main
from locoenvs.evidence.compare import Side, compare
from locoenvs.evidence.result import Result
from locoenvs.policies.deploy.log import read_log
from locoenvs.policies.policy import POLICIES, load_policy, save_policy

EXAMPLES = Path(__file__).parents[1] / "examples"
LONGEST = {"ppo.py": 200, "ros2_node.py": 75}
"""Lines that an example may have where that is not 40."""


def run(name: str, folder: Path, *arguments: str) -> str:
    """What an example prints."""
    return printed_by(EXAMPLES / name, folder, *arguments)


def module(name: str) -> ModuleType:
    """An example, imported."""
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), EXAMPLES / name)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short_and_say_what_they_are(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= LONGEST.get(path.name, 40)
    assert lines[0].startswith('"""')


def test_all_are_listed_by_wish() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"]({path.name})" in listed for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("learner", ["rsl_rl", "sb3"])
def test_training_from_a_script(learner: str, tmp_path: Path) -> None:
    pytest.importorskip({"sb3": "stable_baselines3"}.get(learner, learner))
    small = ("--updates", "1", "--num_envs", "8", "--panel", "flat:smoke")
    printed = run("train.py", tmp_path, "--learner", learner, *small)
    assert "fall_rate: 0.0" in printed and "reward in the last step: [" in printed
    (recipe,) = tmp_path.glob("runs/*/recipe.json")
    assert json.loads(recipe.read_text())["learner"] == learner


def test_a_sweep(tmp_path: Path) -> None:
    small = ("--updates", "1", "--num_envs", "8", "--validate_robots", "4", "--panel", "flat:smoke")
    printed = run("sweep.py", tmp_path, "--weights", "-0.01", "-0.5", *small)
    assert "-0.01 {'fall_rate'" in printed and "-0.5 {'fall_rate'" in printed
    held_out = [line for path in tmp_path.glob("runs/*/ledger.jsonl") for line in path.read_text().splitlines()]
    assert sum(json.loads(line)["kind"] == "held_out" for line in held_out) == 1, "the chosen one alone"
    recipes = [json.loads((tmp_path / f"runs/action_rate{w}/recipe.json").read_text()) for w in ("-0.01", "-0.5")]
    assert [recipe["task"]["rewards"]["terms"]["action_rate"]["weight"] for recipe in recipes] == [-0.01, -0.5]
    assert (tmp_path / "runs/sweep.html").stat().st_size > 100_000


@pytest.mark.skipif(os.environ.get("MUJOCO_GL") != "osmesa", reason="draws: needs libosmesa6, and MUJOCO_GL=osmesa")
def test_a_video(tmp_path: Path) -> None:
    run("record_video.py", tmp_path, "--policy", "a1_flat", "--seconds", "0.1", "--out", "a1.mp4")
    assert (tmp_path / "a1.mp4").stat().st_size > 1000 and (tmp_path / "a1.png").stat().st_size > 10_000


def test_a_comparison(tmp_path: Path) -> None:
    printed = run("compare_policies.py", tmp_path, "anymal_c_flat", "anymal_c_flat_lstm", "--panels", "flat:smoke")
    assert re.search(r"velocity_error: 0\.\d+ and 0\.\d+, B - A 0\.\d+ \(0\.\d+ to 0\.\d+\)", printed)
    assert printed.splitlines()[-1].startswith("no difference (no panel of held-out, disturbance, transfer)")


def test_ppo_in_one_file_learns(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    small = ("--num-envs", "256", "--updates", "10", "--initial-std", "0.5")  # calmer: it earns more within few updates
    printed = run("ppo.py", tmp_path, *small, "--out", "policy")
    reward = [float(found) for found in re.findall(r"reward_per_second (\S+)", printed)]
    assert len(reward) == 10 and sum(reward[-3:]) > 1.05 * sum(reward[:3])
    assert load_policy(tmp_path / "policy").provenance["samples"] == 10 * 24 * 256


def test_ppo_in_one_file_takes_the_value_of_the_final_observation() -> None:
    """A reward of 1 a step is worth 1 / (1 - gamma) for ever: a critic that says so is right at each step, time-outs too, but not at failures."""
    torch = pytest.importorskip("torch")
    ppo = module("ppo.py")

    class Env:
        """Robot 0 runs out of time at each third step, robot 1 fails at it; the next episode's first observation is 0."""

        step_count, unwrapped = 0, SimpleNamespace(task=SimpleNamespace(timing=SimpleNamespace(control_dt=0.02)))

        def step(self, action: object) -> tuple[object, ...]:
            self.step_count += 1
            third = self.step_count % 3 == 0
            late, failed = torch.tensor([third, False]), torch.tensor([False, third])
            final, following = torch.ones(2, 1), torch.full((2, 1), 0.0 if third else 1.0)
            return following, torch.ones(2), failed, late, {"time_outs": late, "final_obs": final}

    settings = ppo.Settings(discount=0.9, horizon=6)
    policy = torch.distributions.Normal(torch.zeros(2, 1), torch.ones(2, 1))
    agent = SimpleNamespace(policy=lambda seen: policy, value=lambda seen: 10 * torch.ones(len(seen)))
    rollout, _, told = ppo.collect(Env(), agent, torch.ones(2, 1), settings)
    assert told["failed"] == told["time_outs"] == 2 and told["reward_per_second"] == pytest.approx(50)
    found = ppo.advantages(rollout, 10 * torch.ones(2), settings)
    assert found[:, 0].abs().max() < 1e-5
    failing = [1 - 10.0]  # of the last step of an episode that fails, and what leads to it by the trace
    for _ in range(2):
        failing.insert(0, settings.discount * settings.trace * failing[0])
    assert found[:, 1].tolist() == pytest.approx(2 * failing, abs=1e-5)


def test_a_reward_term_trains(tmp_path: Path) -> None:
    printed = run("reward_term.py", tmp_path, "--updates", "20", "--num_envs", "8")
    ledger = next(tmp_path.glob("runs/*/ledger.jsonl")).read_text()
    assert ledger.count('"kind": "update"') == 20 and '"foot_clearance": -' in ledger
    assert "[-" in printed


def test_a_reward_term_steps_on_mjx(tmp_path: Path) -> None:
    pytest.importorskip("mujoco.mjx")
    native = run("reward_term.py", tmp_path, "--updates", "0", "--num_envs", "4")
    mjx = run("reward_term.py", tmp_path, "--updates", "0", "--num_envs", "4", "--backend", "mjx")

    def numbers(printed: str) -> list[float]:
        return [float(word) for word in printed.strip("[]\n ").split()]

    assert numbers(mjx) == pytest.approx(numbers(native), rel=1e-3)


def test_an_observation_slot_with_its_mirror(tmp_path: Path) -> None:
    first, second = run("observation_slot.py", tmp_path).splitlines()
    assert first.startswith("gait_clock 1 [") and second == "[-1. -1.]"


def test_a_kind_of_tile(tmp_path: Path) -> None:
    run("tile_kind.py", tmp_path)
    assert (tmp_path / "moats.png").stat().st_size > 10_000


def test_a_randomization(tmp_path: Path) -> None:
    assert run("randomization.py", tmp_path).startswith("paper, and 2 changes [")


def test_a_robot(tmp_path: Path) -> None:
    printed = run("robot.py", tmp_path).splitlines()
    assert len([line for line in printed if line.startswith("ok  ")]) == 10
    assert not [line for line in printed if line.startswith("look")]


def test_a_backend(tmp_path: Path) -> None:
    assert "'stands on the map'" in run("backend.py", tmp_path)


def test_a_learner(tmp_path: Path) -> None:
    assert "'resume'" in run("learner.py", tmp_path)


def results_of(folder: Path) -> tuple[Result, ...]:
    """What a run was found to be, flat ground first."""
    return tuple(Result.from_json(file.read_bytes()) for file in sorted(folder.glob("*.json"), reverse=True))


def test_the_lab_of_parallelism(tmp_path: Path) -> None:
    few = (
        "--robots",
        "8",
        "16",
        "--samples",
        "384",
        "--validate_robots",
        "4",
        "--panels",
        "flat:smoke",
        "disturb:smoke",
    )
    printed = run("lab_parallelism.py", tmp_path, *few)
    assert "8 robots, 2 updates, flat:smoke: success_rate" in printed and "16 robots, 1 updates" in printed
    sides = [Side(f"{count} robots", results_of(tmp_path / f"runs/lab-{count}/panels")) for count in (8, 16)]
    verdict = compare(*sides).verdict
    assert printed.splitlines()[-2] == str(verdict), "what the runs hold gives what was said"
    assert len(sides[0].results) == 2 and verdict.word != "promoted", "panels of 16 robots promote nobody"
    assert verdict.missing == ("held-out", "disturbance", "transfer")
    assert (tmp_path / "runs/lab.html").stat().st_size > 100_000


def shipped_folder(folder: Path, name: str = "anymal_c_flat") -> Path:
    """A shipped policy as ``locoenvs export --model`` writes it."""
    pytest.importorskip("onnxruntime")
    main(["export", name, "--out", str(folder), "--model"])
    return folder


def without_locoenvs(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """An example, run where this package cannot be imported."""
    code = (
        "import runpy, sys\nsys.modules['locoenvs'] = None\n"
        "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    )
    clean = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "PYTHONPATH")}
    command = [sys.executable, "-c", code, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", ["anymal_c_rough", "anymal_c_flat_lstm", "cassie_flat"])
def test_sim_to_sim_walks_without_this_package(name: str, tmp_path: Path) -> None:
    ran = without_locoenvs("sim2sim.py", tmp_path, str(shipped_folder(tmp_path / "policy", name)), "--seconds", "4")
    assert ran.returncode == 0, ran.stderr
    numbers = [float(word) for word in ran.stdout.split() if word[-1].isdigit()]
    time, forward, left, high = numbers
    start = json.loads((tmp_path / "policy" / "policy.json").read_text())["control"]["start_height"]
    assert time == 4 and 1.2 < forward < 2.4 and abs(left) < 0.5 and 0.75 * start < high < 1.15 * start, ran.stdout
    assert len(read_log(next(tmp_path.glob("sim2sim-*.log"))).time) == 200


def test_sim_to_sim_says_why_it_damps(tmp_path: Path) -> None:
    shipped_folder(tmp_path / "policy")
    told = without_locoenvs("sim2sim.py", tmp_path, "policy", "--command", "nan", "0", "0")
    assert told.returncode == 1 and "it damps: not finite: command[0] is nan" in told.stderr


def test_sim_to_sim_is_as_late_as_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets that came 10 ms late in training come 10 ms late, not at the next step of the policy."""
    mujoco = pytest.importorskip("mujoco")
    policy = load_policy(POLICIES / "anymal_c_flat")
    late = policy.task.with_({"randomization.terms.action_delay.parameters.delay": [0.01, 0.01]})
    save_policy(tmp_path / "late", late, policy.layers())
    main(["export", str(tmp_path / "late"), "--out", str(tmp_path / "robot"), "--model"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delitem(sys.modules, "runtime", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["sim2sim.py", str(tmp_path / "robot"), "--seconds", "0.1"])
    seen, step = list[tuple[float, bytes]](), mujoco.mj_step

    def recording(model: object, data: Any, **options: int) -> None:
        seen.append((data.time, data.ctrl.tobytes()))
        step(model, data, **options)

    monkeypatch.setattr(mujoco, "mj_step", recording)
    runpy.run_path(str(EXAMPLES / "sim2sim.py"), run_name="__main__")
    monkeypatch.delitem(sys.modules, "runtime")
    changes = [time for (time, new), (_, old) in zip(seen[1:], seen) if new != old]
    assert changes == pytest.approx([0.01, 0.03, 0.05, 0.07, 0.09])


ROS = """
import math, sys, types
from types import SimpleNamespace as Space

vector = lambda: Space(x=0.0, y=0.0, z=0.0)
class Node:
    def __init__(self, name): self.subscribed, self.published, self.time, self.timers, self.errors = {}, [], 100.0, {}, []
    def create_subscription(self, kind, topic, call, depth): self.subscribed[topic] = call
    def create_publisher(self, kind, topic, depth): return Space(publish=lambda message: self.published.append(message.data))
    def create_service(self, kind, name, call): self.start = lambda: call(Space(), Space(success=None, message=""))
    def create_timer(self, seconds, call): self.timers[seconds] = call
    def get_clock(self): return Space(now=lambda: Space(nanoseconds=round(self.time * 1e9)))
    def get_logger(self): return Space(error=self.errors.append)
kinds = {
    "rclpy": dict(init=lambda signal_handler_options: None, spin=lambda node: drive(node)),
    "rclpy.node": dict(Node=Node), "rclpy.signals": dict(SignalHandlerOptions=Space(NO=0)),
    "geometry_msgs.msg": dict(Twist=lambda: Space(linear=vector(), angular=vector())),
    "nav_msgs.msg": dict(Odometry=Space), "sensor_msgs.msg": dict(JointState=Space),
    "std_msgs.msg": dict(Float64MultiArray=lambda data: Space(data=data)), "std_srvs.srv": dict(Trigger=Space),
}
for name, members in kinds.items():
    sys.modules[name.partition(".")[0]] = sys.modules.get(name.partition(".")[0], types.ModuleType(name))
    sys.modules[name] = sys.modules.get(name) or types.ModuleType(name)
    vars(sys.modules[name]).update(members)

def sense(node, **changes):
    stamp = Space(stamp=Space(sec=int(node.time), nanosec=round(node.time % 1 * 1e9)))
    turn = Space(w=1.0, x=0.0, y=0.0, z=0.0)
    twist = Space(twist=Space(linear=vector(), angular=vector()))
    node.subscribed["odom"](Space(header=stamp, pose=Space(pose=Space(orientation=turn)), twist=twist))
    names, pose = node.runtime.joints[::-1], node.runtime.default[::-1].tolist()
    joints = dict(name=names, position=pose, velocity=[0.0] * len(names))
    node.subscribed["joint_states"](Space(header=stamp, **{**joints, **changes}))

def tick(node, sensed=True):
    node.time += node.runtime.control_dt
    if sensed:
        sense(node)
    node.timers[node.runtime.control_dt]()

def commanded(node):
    places = node.runtime._places
    return [*node.runtime._raw[places["command_linear_velocity"]], *node.runtime._raw[places["command_yaw_rate"]]]

def stiffness(node, last=1):
    return [float(data[12]) for data in node.published[-last:]]

def walking(node):
    sense(node)
    begun = node.start()
    assert begun.success and begun.message == "", begun
    tick(node)
    assert stiffness(node) == [80.0]

def drive(node):
    nodes.append(node)
    try:
        scenario(node)
    except KeyboardInterrupt:
        pass
nodes = []
"""

WAITS = """
def scenario(node):
    for call in node.timers.values():
        call()
    assert node.start().message == "no odom or no joint_states yet"
    tick(node)
    assert not node.published, "nobody has started it"
    sense(node, position=(node.runtime.default[::-1] + 0.6).tolist())
    refused = node.start()
    assert not refused.success and "begin upright, near the default pose" in refused.message
    tick(node)
    assert not node.published
    walking(node)
"""

DRIVES = """
def scenario(node):
    walking(node)
    assert sorted(node.timers) == [0.005, 0.02]
    before = len(node.published)
    node.timers[0.005]()
    assert len(node.published) == before + 1 and {len(data) for data in node.published} == {36}
    tick(node, sensed=False)
    assert node.runtime.fault == "", "one message that was lost is no fault"
    for _ in range(3):
        tick(node, sensed=False)
    assert node.runtime.fault.startswith("stale") and stiffness(node) == [0.0]
    tick(node)
    assert stiffness(node) == [0.0], "it damps until it is started again"
    walking(node)
"""

COMMANDS = """
def scenario(node):
    walking(node)
    assert commanded(node) == [0, 0, 0]
    asked = kinds["geometry_msgs.msg"]["Twist"]()
    asked.linear.x, asked.linear.y, asked.angular.z = 0.5, 0.25, -0.75
    node.subscribed["cmd_vel"](asked)
    for step in range(24):
        tick(node)
        assert commanded(node) == [0.5, 0.25, -0.75], step
    for _ in range(2):
        tick(node)
    assert commanded(node) == [0, 0, 0] and node.runtime.fault == "", "half a second later nobody asks any more"
"""

FOREIGN = """
def scenario(node):
    walking(node)
    for foreign in (dict(name=["finger"], position=[0.1], velocity=[0.0]), dict(velocity=[]), dict(position=[])):
        node.time += 0.02
        sense(node)
        sense(node, **foreign)
        node.timers[0.02]()
        assert node.runtime.fault == "" and stiffness(node) == [80.0] and not node.errors
"""

BREAKS = """
def scenario(node):
    walking(node)
    read = node.read
    node.read = lambda: 1 / 0
    tick(node)
    assert node.errors == ["ZeroDivisionError('division by zero')"] and stiffness(node) == [0.0]
    node.read = read
    tick(node)
    node.timers[0.005]()
    assert stiffness(node, 2) == [0.0, 0.0]
"""

ENDS = """
def scenario(node):
    walking(node)
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize(
    "scenario",
    [WAITS, DRIVES, COMMANDS, FOREIGN, BREAKS, ENDS],
    ids=["waits", "drives", "commands", "foreign", "breaks", "ends"],
)
def test_the_ros_2_node(scenario: str, tmp_path: Path) -> None:
    """Against a double of rclpy and its messages: ROS 2 itself is not in any registry that tests install from."""
    shipped_folder(tmp_path / "policy")
    (tmp_path / "double.py").write_text(ROS + scenario)
    code = (
        "exec(open('double.py').read())\nimport runpy\nsys.argv = ['node', 'policy']\n"
        f"runpy.run_path({str(EXAMPLES / 'ros2_node.py')!r}, run_name='__main__')\n"
        "assert stiffness(nodes[0]) == [0.0], 'it damps as it ends'"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert len(list(tmp_path.glob("policy-*.log"))) == 1
