from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import viewed
from fake import BIPED
from locoenvs.numerics.rotation import from_heading, heading, rotate, wrap_to_pi
from locoenvs.policies.policy import Policy
from locoenvs.tasks.task import Observations, Task, Terrain
from locoenvs.tools.view.commands import Order
from locoenvs.tools.view.session import End, Session
from locoenvs.tools.view.setup import PLANE, Setup

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")


@pytest.fixture
def walking() -> Iterator[Session]:
    session = Session(viewed.flat().task, viewed.flat())
    yield session
    session.close()


@pytest.fixture
def climbing() -> Iterator[Session]:
    session = Session(viewed.tiles(), viewed.rough(), 2, Setup("stairs_up", 1))
    yield session
    session.close()


def world_velocity(session: Session) -> np.ndarray:
    readout = session.readout
    return rotate(readout.base_quaternion, readout.base_linear_velocity)


def test_what_is_told_is_what_the_policy_sees_and_what_comes_of_it(walking: Session) -> None:
    walking.order = Order().changed(forward=0.8, sideways=-0.2, yaw_rate=0.3)
    walking.step()
    np.testing.assert_allclose(walking.command[0, :3], [0.8, -0.2, 0.3], rtol=1e-6)
    slot = next(s for s in walking.env.observation_layout if s.name == "command_linear_velocity")
    np.testing.assert_allclose(walking.observation()[0, slot.start : slot.stop], np.array([0.8, -0.2]) * slot.scale)
    for _ in range(150):
        walking.step()
    velocity = np.mean([walking.step() and walking.readout.base_linear_velocity[0, :2] for _ in range(50)], axis=0)
    np.testing.assert_allclose(velocity, [0.8, -0.2], atol=0.15)


def test_hold_stops_and_a_heading_is_turned_to(walking: Session) -> None:
    walking.order = Order("heading").changed(heading=heading_of(walking) + 0.5)
    for _ in range(300):
        walking.step()
    assert abs(wrap_to_pi(heading_of(walking) - walking.order.heading)) < 0.15
    walking.order = Order("hold")
    walking.step()
    assert not walking.command[0, :3].any()


def heading_of(session: Session) -> float:
    return float(heading(session.readout.base_quaternion)[0])


def test_as_in_training_gives_the_commands_that_the_task_draws() -> None:
    own = viewed.tiles()
    session = Session(own, viewed.rough(), 2)
    session.order = Order("as in training")
    session.step()
    commands = session.command
    assert (np.abs(commands[:, :2]).max(axis=1) > 0).all() and (commands[0] != commands[1]).any()
    error = commands[:, 3] - heading(session.readout.base_quaternion)
    rate = np.clip(0.5 * ((error + np.pi) % (2 * np.pi) - np.pi), -1, 1)
    session._before()  # what the next step is given
    np.testing.assert_allclose(session.command[:, 2], rate, atol=1e-5)
    session.close()


def test_a_push_changes_the_velocity_by_as_much_as_it_says(climbing: Session) -> None:
    before = world_velocity(climbing)
    climbing.push((0.6, -0.8), robot=1)
    change = world_velocity(climbing) - before
    np.testing.assert_allclose(change, [[0, 0, 0], [0.6, -0.8, 0]], atol=1e-6)
    saved = climbing.env.save()  # physics knows of it too
    np.testing.assert_allclose(saved["physics.qvel"][1, :2], world_velocity(climbing)[1, :2], atol=1e-5)
    with pytest.raises(ValueError, match="a push by 6 m/s: at most 5"):
        climbing.push((6.0, 0.0))
    with pytest.raises(ValueError, match="nan"):
        climbing.push((float("nan"), 0.0))


def test_robots_stand_on_the_kind_and_level_that_is_asked_for(climbing: Session) -> None:
    episodes, kinds = climbing.env.state.episodes, climbing.env.mdp.height_map.kinds
    assert [kinds[column] for column in episodes.column] == ["stairs_up"] * 2 and list(episodes.level) == [1, 1]
    assert episodes.column[0] != episodes.column[1]
    climbing.change(Setup("slope_up", 0))
    episodes = climbing.env.state.episodes
    assert [kinds[column] for column in episodes.column] == ["slope_up"] * 2 and list(episodes.level) == [0, 0]
    climbing.change(Setup())
    assert len(set(climbing.env.state.episodes.column)) == 2


def test_another_ground_is_built_and_the_robots_walk_on_it(climbing: Session) -> None:
    for ground in ("gaps", PLANE):
        climbing.change(Setup(ground, 1))
        kinds = climbing.env.mdp.height_map.kinds
        assert set(kinds) == ({"flat"} if ground == PLANE else {"gaps"})
        climbing.step()
        assert np.isfinite(climbing.readout.base_position).all()


def test_other_conditions_find_the_robots_where_they_were_and_matter(walking: Session) -> None:
    walking.order = Order().changed(forward=0.6)
    for _ in range(100):
        walking.step()
    before = walking.readout
    walking.change(Setup(friction=0.05, payload=10.0, delay=0.02, noise=0.0))
    for name in ("base_position", "base_quaternion", "joint_position", "base_linear_velocity"):
        np.testing.assert_allclose(getattr(walking.readout, name), getattr(before, name), atol=1e-6)
    saved = walking.env.save()
    assert saved["physics.friction"] == pytest.approx(0.05) and saved["physics.payload"] == pytest.approx(10.0)
    walking.change(Setup(drive="lstm"))
    assert walking.env.task.actuator.kind == "lstm"


def test_a_change_that_cannot_be_changes_nothing(walking: Session) -> None:
    env, setup = walking.env, walking.setup
    with pytest.raises(ValueError, match="friction 9"):
        walking.change(Setup(friction=9.0))
    assert walking.env is env and walking.setup == setup
    walking.step()


def test_reset_here_stands_up_where_the_robot_is(walking: Session) -> None:
    walking.order = Order().changed(forward=1.0)
    for _ in range(60):
        walking.step()
    before, number = walking.readout, walking.env.state.episodes.number.copy()
    walking.reset_here()
    after = walking.readout
    np.testing.assert_array_equal(after.base_position[:, :2], before.base_position[:, :2])
    np.testing.assert_allclose(after.base_quaternion, from_heading(heading(before.base_quaternion)), atol=1e-6)
    np.testing.assert_allclose(after.joint_position[0], walking.env.mdp.default_pose)
    assert not after.base_linear_velocity.any() and not after.joint_velocity.any()
    assert (walking.env.state.episodes.number == number + 1).all()
    assert not walking.step().ends


def test_without_a_time_limit_an_episode_goes_on_where_it_is() -> None:
    session = Session(viewed.tiles(), viewed.rough(), setup=Setup(PLANE))
    places = []
    for _ in range(130):  # 2 s are 100 steps
        assert not session.step().ends
        places.append(session.readout.base_position[0, :2])
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() < 0.05
    session.change(dataclasses.replace(session.setup, time_limit=True))
    ends = [end for _ in range(101) for end in session.step().ends]
    assert [(end.robot, end.reason, round(end.seconds, 2)) for end in ends] == [(0, "time_limit", 2.0)]
    session.close()


@pytest.mark.parametrize(("speed", "every", "reason"), [(4.0, 40, "base_contact"), (5.0, 1, "broken_physics")])
def test_why_an_episode_ended_is_told_and_the_robot_stands_again(
    walking: Session, speed: float, every: int, reason: str
) -> None:
    ends = list[End]()
    for step in range(400):
        if step % every == 0 and not ends:
            walking.push((0.0, speed))
        ends += walking.step().ends
    assert [(end.robot, end.reason) for end in ends] == [(0, reason)]
    assert np.isfinite(walking.readout.base_position).all() and abs(walking.readout.base_position[0, 2] - 0.58) < 0.1


def test_actions_that_are_no_numbers_are_told(walking: Session) -> None:
    walking.swap(viewed.Diverged())
    with pytest.raises(ValueError, match="the policy has diverged"):
        walking.step()


def test_a_policy_must_fit_and_need_not_be(walking: Session) -> None:
    with pytest.raises(ValueError, match="does not fit the task"):
        walking.swap(viewed.rough())
    with pytest.raises(ValueError, match="does not fit the task"):
        Session(viewed.flat().task, viewed.rough())
    walking.swap(None)
    for _ in range(50):
        assert not walking.step().ends  # it stands


@pytest.mark.parametrize("robots", [0, 17])
def test_how_many_there_may_be(robots: int) -> None:
    with pytest.raises(ValueError, match=f"{robots} robots: one to 16"):
        Session(viewed.flat().task, viewed.flat(), robots)


def test_a_click_meets_the_robot_in_its_way(climbing: Session) -> None:
    first, second = climbing.readout.base_position
    origin = second + (-3.0, 0.0, 1.0)
    met = climbing.hit(origin, second - origin)
    assert met is not None and met[0] == 1
    np.testing.assert_allclose(met[1], [1.0, 0.0], atol=1e-6)
    assert climbing.hit(origin, (0.0, 0.0, 1.0)) is None
    assert climbing.hit(origin, origin - second) is None  # behind


def test_the_samples_are_on_the_ground_where_the_policy_sees_them(climbing: Session) -> None:
    climbing.change(dataclasses.replace(climbing.setup, noise=0.0))
    slot = next(s for s in climbing.env.observation_layout if s.name == "heights")
    seen = climbing.observation()[1, slot.start : slot.stop] / slot.scale
    points = climbing.scan(1)
    z = climbing.readout.base_position[1, 2]
    np.testing.assert_allclose(seen, np.clip(z - 0.5 - points[:, 2], -1, 1), atol=1e-5)


def test_a_policy_that_is_told_no_heights_has_no_samples(walking: Session) -> None:
    assert walking.scan(0).shape == (0, 3)


def test_poses_are_where_the_feet_are(walking: Session) -> None:
    places, turns = walking.poses(walking.readout)
    bodies = walking.task.robot.bodies
    assert places.shape == (1, len(bodies), 3) and turns.shape == (1, len(bodies), 4)
    for _ in range(50):
        walking.step()
    places, _ = walking.poses(walking.readout)
    names = [body.name for body in bodies]
    feet = [names.index(foot) for foot in walking.task.robot.feet]
    assert (np.abs(places[0, feet, 2]) < 0.12).all()


@dataclasses.dataclass
class Remembering:
    """A session by a policy that remembers, and which robots' memory is empty."""

    session: Session
    policy: Policy

    @property
    def empty(self) -> list[bool]:
        memory = self.policy._remembered
        if memory is None:
            return [True] * self.session.robots
        return [not any(value[robot].any() for value in memory.values()) for robot in range(self.session.robots)]


@pytest.fixture
def remembering(tmp_path: Path) -> Iterator[Remembering]:
    task = viewed.tiles().with_({"timing.episode_length": 0.2})
    policy = viewed.recurrent(tmp_path / "remembers", task)
    session = Session(task, policy, 2, Setup("stairs_up", 1))
    yield Remembering(session, policy)
    session.close()


def test_a_recurrent_policy_forgets_where_an_episode_ends_and_no_other(remembering: Remembering) -> None:
    session = remembering.session
    session.step()
    assert remembering.empty == [False, False]
    session.change(dataclasses.replace(session.setup, time_limit=True))
    episodes = session.env.state.episodes
    step = np.array([9, 3], episodes.step.dtype)  # of ten
    session.env.state = dataclasses.replace(session.env.state, episodes=dataclasses.replace(episodes, step=step))
    assert [end.robot for end in session.step().ends] == [0]
    assert remembering.empty == [True, False]


def test_a_recurrent_policy_forgets_where_a_next_episode_begins_without_an_end(remembering: Remembering) -> None:
    session = remembering.session
    for _ in range(9):
        session.step()
    assert remembering.empty == [False, False]
    session._before()  # the tenth step
    assert remembering.empty == [True, True]


@pytest.mark.parametrize(
    "again",
    [
        Session.reset,
        Session.reset_here,
        lambda session: session.change(Setup("slope_up", 0)),
        lambda session: session.change(Setup(PLANE)),
        lambda session: session.swap(session.policy),
    ],
    ids=["reset", "here", "tile", "ground", "policy"],
)
def test_a_recurrent_policy_forgets_what_was_before(remembering: Remembering, again: Callable[[Session], None]) -> None:
    remembering.session.step()
    again(remembering.session)
    assert remembering.empty == [True, True]


def test_a_recurrent_policy_remembers_where_robots_go_on(remembering: Remembering) -> None:
    remembering.session.step()
    remembering.session.change(dataclasses.replace(remembering.session.setup, friction=0.3))
    assert remembering.empty == [False, False]


def test_a_ground_on_which_nothing_begins_changes_nothing(walking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no reset")

    env, setup = walking.env, walking.setup
    monkeypatch.setattr(walking, "reset", broken)
    with pytest.raises(RuntimeError, match="no reset"):
        walking.change(Setup("gaps"))
    assert walking.env is env and walking.setup == setup
    walking.step()


@pytest.mark.slow
def test_robots_of_mjx_are_told_pushed_and_stepped() -> None:
    pytest.importorskip("mujoco.mjx")
    task = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None, noise=False))
    session = Session(task, backend="mjx")
    session.order = Order().changed(forward=0.4)
    before = session.readout
    for _ in range(5):
        session.step()
    np.testing.assert_allclose(session.command[0, :3], [0.4, 0.0, 0.0], rtol=1e-6)
    assert session.readout.base_position[0, 2] < before.base_position[0, 2], "it sinks into its knees"
    before = world_velocity(session)
    session.push((0.6, -0.8))
    np.testing.assert_allclose(world_velocity(session) - before, [[0.6, -0.8, 0.0]], atol=1e-6)
    session.step()
    assert np.isfinite(session.readout.base_position).all()
    session.close()
