"""Metrics against robots whose motion is known exactly, and the protocol of a panel."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.envs import backends
from locoenvs.evidence.evaluate import Result, evaluate, strata_table, table
from locoenvs.evidence.panel import Group, Panel, Stratum, load_panel
from locoenvs.evidence.quantities import drawn
from locoenvs.mdp.mdp import prepare
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import (
    Commands,
    Curriculum,
    Observations,
    Pushes,
    Randomization,
    Start,
    Task,
    Terrain,
    Timing,
)

STILL = Start(position=0.0, joint_scale=(1.0, 1.0), velocity=0.0, random_heading=False)
FORWARD = Commands(forward=(0.75, 0.75), sideways=(0.0, 0.0), mode="yaw_rate", yaw_rate=(0.5, 0.5))


def panel(task: Task, robots: int, *strata: Stratum) -> Panel:
    return Panel(name="test", description="", task=task, seed=0, num_robots=robots, strata=strata)


def task(**changes: object) -> Task:
    return Task(
        BIPED,
        timing=Timing(episode_length=6.0),
        curriculum=Curriculum(enabled=False),
        commands=FORWARD,
        observations=Observations.paper(heights=None),
        randomization=Randomization(pushes=None, start=STILL),
        **changes,  # type: ignore[arg-type]
    )


class Gliding(FakeSimulator):
    """Glides at 1 m/s along x on its left foot, which slips at 0.3 m/s, while both joints turn at 1 rad/s against 2 N m.

    The base of robot 0 hits the ground at step 150, that of robot 1 at step 250.
    """

    falls = {0: (150,), 1: (250,)}

    def __init__(self, num_envs: int) -> None:
        super().__init__(xp, num_envs)
        self.steps = 0

    def advance(self, physics: object, target: np.ndarray) -> tuple[object, Readout]:
        assert isinstance(physics, Readout)
        self.steps += 1
        self.forces[:] = 0
        self.forces[:, 2, 2] = 10.0
        for robot, steps in self.falls.items():
            self.forces[robot, 0, 2] = 100.0 if self.steps in steps else 0.0
        one = np.ones((self.num_envs, 1), np.float32)
        glide = dataclasses.replace(physics, base_linear_velocity=one * np.float32([1, 0, 0]))
        after, _ = super().advance(glide, target)
        assert isinstance(after, Readout)
        slip = np.float32([[0.3, 0, 5.0], [9.0, 9.0, 9.0]])
        after = dataclasses.replace(
            after, joint_velocity=one * np.float32([1, -1]), foot_velocity=np.tile(slip, (self.num_envs, 1, 1))
        )
        return after, after

    def close(self) -> None:
        pass


def of_robots(task: Task, count: int, seed: int) -> dict[str, np.ndarray]:
    """What the robots of a panel draw."""
    key = rng.robot_key(seed, rng.SPLITS["panel"], np.arange(count, dtype=np.int32), task.seed_families)
    return drawn(prepare(task, build(task.terrain), xp), key)


@pytest.fixture
def gliding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "load", lambda name: lambda task, ground, count, device=None: Gliding(count))


def idle(observations: np.ndarray) -> np.ndarray:
    return np.zeros((len(observations), 2), np.float32)


def test_metrics_of_a_motion_that_is_known(gliding: None) -> None:
    result = evaluate(idle, panel(task(terrain=Terrain(kind="plane")), 4))
    value = {name: estimate.value for name, estimate in result.metrics.items()}
    assert value.pop("success_rate") == 0.5 and value.pop("fall_rate") == 0.5
    assert value == pytest.approx(
        {
            "velocity_error": 0.25,
            "yaw_rate_error": 0.5,
            "commanded_speed": 0.75,
            "speed": 1.0,
            "cost_of_transport": 4.0 / (BIPED.mass * 9.81 * 1.0),
            "power": 4.0,
            "torque": 2.0,
            "foot_slip": 0.3,
            "tilt": 0.0,
            "base_height": 0.5,
            "base_height_sd": 0.0,
            "action_clip_rate": 0.0,
            "torque_saturation": 0.0,
            "velocity_saturation": 0.0,
            "joint_limit_rate": 0.0,
        },
        abs=1e-4,
    )
    assert result.reset_reasons == {"time_limit": 2, "base_contact": 2, "broken_physics": 0, "map_edge": 0}


def test_success_on_a_plane_is_to_follow_in_the_last_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8 s, robot 0 follows from 3 s on, robot 1 until 5 s, robot 2 all the time but falls; robot 3 is off by 0.25 m/s throughout."""

    def story(step: int, readout: Readout) -> dict[str, object]:
        ahead = [0.75 if step > 150 else -1.0, 0.75 if step <= 250 else -1.0, 0.75, 1.0]
        return {"base_linear_velocity": np.column_stack([ahead, np.zeros((4, 2))])}

    told(monkeypatch, story, robot_2=(390,))
    config = dataclasses.replace(task(terrain=Terrain(kind="plane")), timing=Timing(episode_length=8.0))
    robots = evaluate(idle, panel(config, 4)).robots
    assert robots is not None and robots.succeeded == [True, False, False, True]


def test_success_is_to_leave_the_tile_before_the_base_touches(gliding: None) -> None:
    """At 1 m/s a robot leaves its 8 m tile after 4 s: robot 0 fell before that, robot 1 after, two never do."""
    flat = Terrain(levels=2, columns=2, shares=(TileShare("flat", 1.0),))
    result = evaluate(idle, panel(task(terrain=flat), 4, Stratum("level"), Stratum("terrain_and_level")))
    assert result.metrics["success_rate"].value == 0.75
    assert result.metrics["fall_rate"].value == 0.5
    levels = result.strata["level"]
    assert {label: group["success_rate"].value for label, group in levels.items()} == {"level 0": 0.5, "level 1": 1.0}
    assert {label: group["success_rate"].count for label, group in levels.items()} == {"level 0": 2, "level 1": 2}
    assert list(result.strata["terrain_and_level"]) == ["flat 0", "flat 1"]


def test_only_the_first_episode_counts(gliding: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Robot 0 falls twice more after its first fall."""
    monkeypatch.setattr(Gliding, "falls", {0: (50, 100, 150), 1: (250,)})
    once = evaluate(idle, panel(task(terrain=Terrain(kind="plane")), 2))
    assert once.reset_reasons == {"time_limit": 0, "base_contact": 2, "broken_physics": 0, "map_edge": 0}
    assert once.metrics["fall_rate"].count == 2
    assert once.episode_seconds == pytest.approx(3.0)  # of 1 s and of 5 s


def test_moments_are_grouped_by_the_time_since_a_push(gliding: None) -> None:
    """Pushes come at 2 s and 4 s. Robot 0 falls at 3 s, a second after one, robot 1 at 5 s."""
    pushed = dataclasses.replace(task().randomization, pushes=Pushes(interval=2.0, velocity=0.0))
    groups = (Group("soon", 0.0, 1.0), Group("later", 1.0, None))
    config = dataclasses.replace(task(terrain=Terrain(kind="plane")), randomization=pushed)
    result = evaluate(idle, panel(config, 4, Stratum("since_push", groups)))
    falls = {label: group["fall_rate"].value for label, group in result.strata["since_push"].items()}
    assert falls == {"soon": 0.0, "later": 0.5}
    assert "success_rate" not in result.strata["since_push"]["soon"]


def test_before_the_first_push_robots_are_undisturbed(gliding: None) -> None:
    """Pushes come every 4 s: robot 0, which falls at 3 s, sees none."""
    pushed = dataclasses.replace(task().randomization, pushes=Pushes(interval=4.0, velocity=0.0))
    config = dataclasses.replace(task(terrain=Terrain(kind="plane")), randomization=pushed)
    result = evaluate(idle, panel(config, 2, load_panel("flat").strata[3]))
    counts = {label: group["fall_rate"].count for label, group in result.strata["since_push"].items()}
    assert counts == {"within 2 s of a push": 1, "undisturbed": 2}


def test_clipped_actions_are_counted(gliding: None) -> None:
    config = dataclasses.replace(task(terrain=Terrain(kind="plane")), action_clip=1.0)
    result = evaluate(lambda o: np.tile(np.float32([0.5, -2.0]), (len(o), 1)), panel(config, 2))
    assert result.metrics["action_clip_rate"].value == 0.5


def small(name: str, robots: int, seconds: float) -> Panel:
    full = load_panel(name)
    timing = dataclasses.replace(full.task.timing, episode_length=seconds)
    return dataclasses.replace(full, num_robots=robots, task=dataclasses.replace(full.task, timing=timing))


def test_a_robot_that_stands_still_never_falls_and_misses_its_whole_command() -> None:
    pytest.importorskip("mujoco")
    result = evaluate(lambda o: np.zeros((len(o), 12), np.float32), small("flat", 16, 3.0))
    found = result.metrics
    assert found["fall_rate"].value == 0
    assert found["success_rate"].value < 0.2, "to stand still is no success, but for commands to stand"
    assert found["velocity_error"].value == pytest.approx(found["commanded_speed"].value, abs=0.1)
    assert Result.from_json(result.to_json()) == result
    again = evaluate(lambda o: np.zeros((len(o), 12), np.float32), small("flat", 16, 3.0))
    assert dataclasses.replace(again, wall_seconds=0.0) == dataclasses.replace(result, wall_seconds=0.0)


def test_a_robot_that_throws_itself_over_falls() -> None:
    pytest.importorskip("mujoco")
    throw = np.tile(np.float32([0, 6, -6]), 4)
    result = evaluate(lambda o: np.tile(throw, (len(o), 1)), small("flat", 16, 3.0))
    assert result.metrics["fall_rate"].value == 1 and result.metrics["success_rate"].value == 0
    assert result.reset_reasons["base_contact"] + result.reset_reasons["broken_physics"] == 16


def test_tables_show_every_metric_and_group(gliding: None) -> None:
    config = task(terrain=Terrain(kind="plane"))
    result = evaluate(idle, panel(config, 4, load_panel("flat").strata[2]))
    assert table(result).row_count == len(result.metrics)
    assert strata_table(result, "friction").row_count == len(result.strata["friction"])


def test_a_panel_is_judged_on_held_out_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """What robots are asked for, how they start and what their friction is are draws of the split "panel", not "train"."""
    made: list[Gliding] = []

    def load(name: str) -> object:
        return lambda task, ground, count, device=None: made.append(Gliding(count)) or made[-1]

    monkeypatch.setattr(backends, "load", load)
    anywhere = dataclasses.replace(FORWARD, forward=(-1.0, 1.0), sideways=(-1.0, 1.0))
    randomization = Randomization(pushes=None, payload=(-2.0, 2.0))
    config = dataclasses.replace(
        task(terrain=Terrain(kind="plane")),
        commands=anywhere,
        randomization=randomization,
        observations=Observations.paper(heights=None, noise=False),
    )
    seen: list[np.ndarray] = []

    def policy(observations: np.ndarray) -> np.ndarray:
        seen.append(observations.copy())
        return idle(observations)

    evaluate(policy, dataclasses.replace(panel(config, 8), seed=3))
    robot = np.arange(8, dtype=np.int32)
    draws = {}
    for split, number in (("train", 0), ("panel", 1)):
        key = rng.robot_key(3, number, robot, config.seed_families)
        draw = lambda purpose, count, key=key: rng.uniform(key, robot * 0, robot * 0, purpose, count)  # noqa: E731
        command, velocity = draw(rng.Purpose.COMMAND, 4)[:, :2] * 2 - 1, draw(rng.Purpose.START_VELOCITY, 6) - 0.5
        moving = np.linalg.norm(command, axis=-1, keepdims=True) >= 0.2
        friction = 0.5 + 0.75 * draw(rng.Purpose.FRICTION, 1)[:, 0]
        draws[split] = np.concatenate([command * moving * 2, velocity[:, :3] * 2, friction[:, None]], axis=1)
    observed = np.concatenate([seen[0][:, 9:11], seen[0][:, :3], made[0].friction[:, None]], axis=1)
    np.testing.assert_allclose(observed, draws["panel"], atol=1e-5)
    assert np.abs(observed - draws["train"]).max(axis=0).min() > 0.1
    assert of_robots(config, 8, 3)["friction"].tolist() == made[0].friction.tolist()


def test_energy_counts_what_each_robot_weighs_with_its_payload(gliding: None) -> None:
    """4 W at 1 m/s: the cost of transport is the sum of all robots' energy over that of their weights times paths."""
    payload = dataclasses.replace(task().randomization, payload=(-5.0, 5.0))
    config = dataclasses.replace(task(terrain=Terrain(kind="plane")), randomization=payload)
    extra = of_robots(config, 2, 0)["payload"]
    seconds = np.array([3.0, 5.0])  # until they fall
    expected = 4 * seconds.sum() / (9.81 * ((BIPED.mass + extra) * seconds).sum())
    found = evaluate(idle, panel(config, 2)).metrics["cost_of_transport"].value
    assert np.abs(extra).min() > 0.1 and found == pytest.approx(expected, rel=1e-3)


def told(
    monkeypatch: pytest.MonkeyPatch, story: Callable[[int, Readout], dict[str, object]], **falls: tuple[int, ...]
) -> None:
    """Robots that glide, but for what ``story`` (step, readout) says; robot i's base touches in the steps of ``robot_i``."""

    class Told(Gliding):
        def advance(self, physics: object, target: np.ndarray) -> tuple[object, Readout]:
            _, after = super().advance(physics, target)
            assert isinstance(after, Readout)
            values = {name: np.float32(value) for name, value in story(self.steps, after).items()}
            after = dataclasses.replace(after, **values)
            return after, after

    monkeypatch.setattr(Told, "falls", {int(name.removeprefix("robot_")): steps for name, steps in falls.items()})
    monkeypatch.setattr(backends, "load", lambda name: lambda task, ground, count, device=None: Told(count))


def test_robots_count_alike_however_long_they_lasted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each metric is a robot's own mean, then the mean over robots. Robot 0 hops until it falls at 1 s."""

    def story(step: int, readout: Readout) -> dict[str, object]:
        height = [0.5 + 0.1 * (step % 2), 0.5]
        position = np.column_stack([readout.base_position[:, :2], height])
        return {"base_position": position, "base_linear_velocity": [[2, 0, 0], [1, 0, 0]]}

    told(monkeypatch, story, robot_0=(50,))
    result = evaluate(idle, panel(task(terrain=Terrain(kind="plane")), 2))
    value = {name: estimate.value for name, estimate in result.metrics.items()}
    assert value["speed"] == pytest.approx(1.5) and value["velocity_error"] == pytest.approx((1.25 + 0.25) / 2)
    assert value["base_height"] == pytest.approx(0.525, abs=1e-4)
    assert value["base_height_sd"] == pytest.approx(0.025, abs=1e-4)


def test_the_heading_error_is_the_short_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to face 3 rad, a robot that faces -3 rad is 0.28 rad off; it is rolled by 0.3 rad too."""

    c, s, cr, sr = math.cos(-1.5), math.sin(-1.5), math.cos(0.15), math.sin(0.15)
    facing = [c * cr, c * sr, s * sr, s * cr]  # turned by -3 rad, then rolled
    told(monkeypatch, lambda step, readout: {"base_quaternion": [facing] * 2})
    asked = dataclasses.replace(FORWARD, mode="heading", heading=(3.0, 3.0))
    config = dataclasses.replace(task(terrain=Terrain(kind="plane")), commands=asked)
    value = {name: estimate.value for name, estimate in evaluate(idle, panel(config, 2)).metrics.items()}
    assert value["heading_error"] == pytest.approx(2 * math.pi - 6.0, abs=1e-4)
    assert value["tilt"] == pytest.approx(0.3, abs=1e-4)
    assert value["yaw_rate_error"] == pytest.approx(math.pi - 3.0, abs=1e-4)  # half of the error, 0.5 * 0.28 rad


def test_groups_hold_their_lower_end_and_not_their_upper_one(gliding: None) -> None:
    """Each robot is commanded 0.75 m/s and 0.5 rad/s."""
    speeds = Stratum("commanded_speed", (Group("below", None, 0.75), Group("from", 0.75, 0.8), Group("above", 0.8)))
    rates = Stratum("commanded_yaw_rate", (Group("slow", 0.0, 0.5), Group("fast", 0.5, None)))
    result = evaluate(idle, panel(task(terrain=Terrain(kind="plane")), 4, speeds, rates))
    assert list(result.strata["commanded_speed"]) == ["from"]
    assert list(result.strata["commanded_yaw_rate"]) == ["fast"]
    assert result.strata["commanded_speed"]["from"]["fall_rate"].count == 4


def test_robots_are_grouped_by_friction_and_by_the_kind_of_their_tile(gliding: None) -> None:
    mixed = Terrain(levels=1, columns=2, shares=(TileShare("rough", 0.5), TileShare("flat", 0.5)))
    config = dataclasses.replace(task(terrain=mixed))
    friction = of_robots(config, 4, 0)["friction"]
    middle = float(np.sort(friction)[1:3].mean())
    groups = (Group("low", None, middle), Group("high", middle, None))
    result = evaluate(idle, panel(config, 4, Stratum("friction", groups), Stratum("terrain")))
    fell = np.array([True, True, False, False])
    for label, chosen in (("low", friction < middle), ("high", friction >= middle)):
        group = result.strata["friction"][label]
        assert group["fall_rate"].count == 2 and group["fall_rate"].value == fell[chosen].mean()
    terrain = result.strata["terrain"]  # robots 0 and 2 on the first column, 1 and 3 on the second
    assert {kind: group["success_rate"].value for kind, group in terrain.items()} == {"rough": 0.5, "flat": 1.0}


def test_a_robot_that_leaves_its_tile_and_falls_in_the_same_step_has_not_crossed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All jump out of their tile of 6 m in step 50: robot 0 falls as it does, robot 1 a step later, robot 2 jumps too short."""
    start: list[np.ndarray] = []

    def story(step: int, readout: Readout) -> dict[str, object]:
        start.append(readout.base_position - np.float32([[0.02, 0, 0]])) if step == 1 else None
        far = np.float32([[3.1, 0, 0], [0, -3.1, 0], [2.9, 2.9, 0]])
        return {"base_position": start[0] + far * (step >= 50), "base_linear_velocity": np.zeros((3, 3))}

    told(monkeypatch, story, robot_0=(50,), robot_1=(51,))
    flat = Terrain(levels=1, columns=3, tile=6.0, shares=(TileShare("flat", 1.0),))
    result = evaluate(idle, panel(task(terrain=flat), 3, Stratum("terrain")))
    assert result.metrics["success_rate"].value == pytest.approx(1 / 3)
    assert result.metrics["fall_rate"].value == pytest.approx(2 / 3)


def test_sizes_count_whatever_their_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brakes take power as drives do, a robot may turn either way, and a path may lead along any direction."""

    def story(step: int, readout: Readout) -> dict[str, object]:
        position = np.zeros((2, 3)) + step * np.array([0.012, -0.016, 0])  # 1 m/s
        return {
            "base_position": position,
            "joint_velocity": [[-1, -1]] * 2,
            "base_linear_velocity": [[0.6, -0.8, 0]] * 2,
        }

    told(monkeypatch, story)
    asked = dataclasses.replace(FORWARD, yaw_rate=(-0.5, -0.5))
    plane = Terrain(kind="plane", levels=1, columns=1)  # whose only tile is at the origin
    config = dataclasses.replace(task(terrain=plane), commands=asked, action_clip=3.0)
    rates = Stratum("commanded_yaw_rate", (Group("slow", None, 0.4), Group("fast", 0.4, None)))
    action = lambda o: np.tile(np.float32([2.5, -3.5]), (len(o), 1))  # noqa: E731
    result = evaluate(action, panel(config, 2, rates))
    torque = 10 * np.abs([0.2 + 0.5 * 2.5, -0.2 - 0.5 * 3.0])  # of targets 1.45 and -1.7 rad
    value = {name: estimate.value for name, estimate in result.metrics.items()}
    assert list(result.strata["commanded_yaw_rate"]) == ["fast"]
    assert value["power"] == pytest.approx(torque.sum()) and value["torque"] == pytest.approx(torque.mean())
    assert value["speed"] == pytest.approx(1.0) and value["action_clip_rate"] == 0.5
    assert value["cost_of_transport"] == pytest.approx(torque.sum() / (BIPED.mass * 9.81), rel=1e-3)


def test_the_base_height_is_above_the_ground_below(monkeypatch: pytest.MonkeyPatch) -> None:
    hill = Terrain(levels=2, columns=1, shares=(TileShare("slope_down", 1.0),))
    config = dataclasses.replace(task(terrain=hill), timing=Timing(episode_length=0.4))
    still = {"base_linear_velocity": np.zeros((2, 3))}
    told(monkeypatch, lambda step, readout: still)
    found = evaluate(idle, panel(config, 2, Stratum("level"))).strata["level"]
    assert [group["base_height"].value for group in found.values()] == pytest.approx([0.5, 0.5], abs=1e-4)


def test_the_reason_is_that_of_the_first_episodes_end(gliding: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Robot 0's base touches at 1 s; in its second episode its physics breaks."""
    advance = Gliding.advance

    def breaking(self: Gliding, physics: object, target: np.ndarray) -> tuple[object, Readout]:
        self.broken[0] = self.steps == 99
        return advance(self, physics, target)

    monkeypatch.setattr(Gliding, "advance", breaking)
    monkeypatch.setattr(Gliding, "falls", {0: (50,), 1: (250,)})
    result = evaluate(idle, panel(task(terrain=Terrain(kind="plane")), 2))
    assert result.reset_reasons["base_contact"] == 2 and result.reset_reasons["broken_physics"] == 0
