"""Quaternions and orders, between Isaac Lab's conventions and ours; the releases against articulations that record."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from locoenvs.backends.isaaclab import conventions  # noqa: E402
from locoenvs.backends.isaaclab.release import Lab23, Lab30, Release  # noqa: E402

WXYZ = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
POSITION = torch.tensor([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]])
SECOND = torch.tensor([False, True])


def test_quaternions_change_order_and_back() -> None:
    assert conventions.wxyz_to_xyzw(WXYZ).tolist() == [[2, 3, 4, 1], [6, 7, 8, 5]]
    assert torch.equal(conventions.xyzw_to_wxyz(conventions.wxyz_to_xyzw(WXYZ)), WXYZ)


def test_an_order_by_name_and_its_inverse() -> None:
    there = ["c", "a", "d", "b"]
    order = conventions.indices("joints", ["a", "b", "c"], there)
    assert order == [1, 3, 0]
    ours = torch.tensor([10, 20, 30, 40])
    full = conventions.indices("joints", ["a", "b", "c", "d"], there)
    in_engine = ours[conventions.inverse(full)]
    assert in_engine.tolist() == [30, 10, 40, 20] and torch.equal(in_engine[full], ours)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"lacks the joints \['x'\]; it has \['c', 'a'\]"):
        conventions.indices("joints", ["a", "x"], ["c", "a"])


class Recorder:
    """An articulation that records what is called of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: self.calls.append((name, args, named))


def test_3_0_writes_xyzw_by_mask() -> None:
    robot = Recorder()
    Lab30().write_root(robot, SECOND, POSITION, WXYZ)
    name, _, named = robot.calls[0]
    assert name == "write_root_link_pose_to_sim_mask"
    assert named["root_pose"].tolist() == [[10, 20, 30, 2, 3, 4, 1], [40, 50, 60, 6, 7, 8, 5]]
    assert torch.equal(named["env_mask"], SECOND)


def test_2_3_writes_wxyz_by_index() -> None:
    robot = Recorder()
    Lab23().write_root(robot, SECOND, POSITION, WXYZ)
    Lab23().write_joints(robot, SECOND, POSITION, -POSITION)
    (pose, args, named), (joints, values, _) = robot.calls
    assert pose == "write_root_link_pose_to_sim" and joints == "write_joint_state_to_sim"
    assert args[0].tolist() == [[40, 50, 60, 5, 6, 7, 8]] and named["env_ids"].tolist() == [1]
    assert values[0].tolist() == [[40, 50, 60]] and values[1].tolist() == [[-40, -50, -60]]


@pytest.mark.parametrize(
    ("release", "stored", "wrap"),
    [
        (Lab30(), conventions.wxyz_to_xyzw(WXYZ), lambda value: SimpleNamespace(torch=value)),
        (Lab23(), WXYZ, lambda value: value),
    ],
    ids=["3.0", "2.3"],
)
def test_both_read_wxyz(release: Release, stored: Any, wrap: Any) -> None:
    data = SimpleNamespace(root_link_pose_w=wrap(torch.cat([POSITION, stored], dim=-1)))
    pose = release.read(data, "root_link_pose_w")
    assert torch.equal(release.quaternion(pose), WXYZ) and torch.equal(pose[:, :3], POSITION)


@pytest.mark.parametrize("release", [Lab30(), Lab23()], ids=["3.0", "2.3"])
def test_torques_are_written_before_the_step(release: Release) -> None:
    robot = Recorder()
    release.drive(robot, POSITION)
    assert [name for name, _, _ in robot.calls] == [
        "set_joint_effort_target_mask" if isinstance(release, Lab30) else "set_joint_effort_target",
        "write_data_to_sim",
    ]
