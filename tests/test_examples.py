"""The examples, run as they are from a folder of their own: each is short, and does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from locoenvs.cli.app import main
from locoenvs.policies.deploy.log import read_log

EXAMPLES = Path(__file__).parents[1] / "examples"
LONGEST = 40


def run(name: str, folder: Path, *arguments: str) -> str:
    """What an example prints."""
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short_and_say_what_they_are(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= LONGEST
    assert lines[0].startswith('"""')


def test_a_reward_term_trains(tmp_path: Path) -> None:
    printed = run("reward_term.py", tmp_path, "--updates", "3", "--num_envs", "16")
    ledger = next(tmp_path.glob("runs/*/ledger.jsonl")).read_text()
    assert ledger.count('"kind": "update"') == 3 and '"foot_clearance": -' in ledger
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


def test_the_lab_of_parallelism(tmp_path: Path) -> None:
    few = (
        "--robots",
        "8",
        "16",
        "--samples",
        "1536",
        "--validate_robots",
        "4",
        "--panels",
        "flat:smoke",
        "disturb:smoke",
    )
    printed = run("lab_parallelism.py", tmp_path, *few)
    assert "8 robots, 8 updates, flat:smoke: success_rate" in printed and "16 robots, 4 updates" in printed
    assert printed.splitlines()[-2].startswith(("no difference", "not promoted", "better", "promoted"))
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
    assert len(read_log(tmp_path / "sim2sim.log").time) == 200


def test_sim_to_sim_says_why_it_damps(tmp_path: Path) -> None:
    shipped_folder(tmp_path / "policy")
    told = without_locoenvs("sim2sim.py", tmp_path, "policy", "--command", "nan", "0", "0")
    assert told.returncode == 1 and "it damps: not finite: command[0] is nan" in told.stderr


ROS = """
import sys, types
from types import SimpleNamespace as Space

vector = lambda: Space(x=0.0, y=0.0, z=0.0)
class Node:
    def __init__(self, name): self.subscribed, self.published, self.now = {}, [], 0
    def create_subscription(self, kind, topic, call, depth): self.subscribed[topic] = call
    def create_publisher(self, kind, topic, depth): return Space(publish=lambda message: self.published.append(message.data))
    def create_timer(self, seconds, call): self.timer = seconds, call
    def get_clock(self): return Space(now=lambda: Space(nanoseconds=self.now))
kinds = {
    "rclpy": dict(init=lambda: None, spin=lambda node: drive(node)),
    "rclpy.node": dict(Node=Node),
    "geometry_msgs.msg": dict(Twist=lambda: Space(linear=vector(), angular=vector())),
    "nav_msgs.msg": dict(Odometry=Space), "sensor_msgs.msg": dict(JointState=Space),
    "std_msgs.msg": dict(Float64MultiArray=lambda data: Space(data=data)),
}
for name, members in kinds.items():
    sys.modules[name.partition(".")[0]] = sys.modules.get(name.partition(".")[0], types.ModuleType(name))
    sys.modules[name] = sys.modules.get(name) or types.ModuleType(name)
    vars(sys.modules[name]).update(members)

def drive(node):
    seconds, call = node.timer
    names = node.runtime.joints[::-1]
    angles = dict(zip(node.runtime.joints, node.runtime.default))
    call()
    assert not node.published
    for tick in range(3):
        node.now = int(tick * seconds * 1e9)
        stamp = Space(stamp=Space(sec=0, nanosec=node.now))
        turn = Space(w=1.0, x=0.0, y=0.0, z=0.0)
        twist = Space(twist=Space(linear=vector(), angular=vector()))
        node.subscribed["odom"](Space(header=stamp, pose=Space(pose=Space(orientation=turn)), twist=twist))
        place = [angles[name] for name in names]
        node.subscribed["joint_states"](Space(header=stamp, name=names, position=place, velocity=[0.0] * len(names)))
        call()
    node.now += int(seconds * 1e9)  # and no message more
    call()
    sizes = {len(data) for data in node.published}
    print(sizes, [float(data[12]) for data in node.published], node.runtime.fault)
"""


def test_the_ros_2_node(tmp_path: Path) -> None:
    """Against a double of rclpy and its messages: ROS 2 itself is not in any registry that tests install from."""
    shipped_folder(tmp_path / "policy")
    (tmp_path / "double.py").write_text(ROS)
    code = f"exec(open('double.py').read())\nimport runpy, sys\nsys.argv = ['node', 'policy']\nrunpy.run_path({str(EXAMPLES / 'ros2_node.py')!r}, run_name='__main__')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("{36} [80.0, 80.0, 80.0, 0.0] time: a step 0.0000 s after the last")
