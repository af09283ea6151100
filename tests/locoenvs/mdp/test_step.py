"""One step and one reset: the order of things, time-outs, pushes, and the same numbers on every namespace."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.mdp import pushes
from locoenvs.mdp.kinematics import sphere_centers
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.state import RESET_REASONS, EnvState, Transition
from locoenvs.mdp.step import advance, initial, reset, step
from locoenvs.mdp.terrain import build, ground_height, map_of
from locoenvs.numerics import rng, rows
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rotation import rotate
from locoenvs.tasks import documents
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.robot import Body, Sphere
from locoenvs.tasks.task import (
    Curriculum,
    HeightScan,
    Observations,
    PenaltySchedule,
    Pushes,
    Randomization,
    Task,
    Terrain,
    Timing,
)

pytestmark = pytest.mark.xdist_group("step")

GROUND = Terrain(levels=3, columns=2, border=2.0, shares=(TileShare("stairs_up", 0.5), TileShare("rough", 0.5)))
LOW = dataclasses.replace(BIPED, start_height=0.42)
"""With its legs nearly straight its feet begin in the ground, unless it is raised."""

TASK = Task(
    LOW,
    terrain=GROUND,
    timing=Timing(episode_length=0.2),
    observations=Observations.paper(heights=HeightScan(rows=3, columns=2)),
    randomization=Randomization(pushes=Pushes(interval=0.06)),
)


def ready(task: Task = TASK, xp: ModuleType = numpy_xp, robots: int = 5) -> tuple[Mdp, FakeSimulator, EnvState]:
    made = prepare(task, build(task.terrain), xp)
    simulator = FakeSimulator(xp, robots)
    return made, simulator, initial(made, simulator, seed=7, split=0)


def act(xp: ModuleType, robots: int, when: int) -> object:
    return xp.asarray(np.sin(np.arange(robots * 2) + when).reshape(robots, 2).astype(np.float32))


def roll(xp: ModuleType, robots: int, steps: int) -> tuple[EnvState, list[Transition]]:
    made, simulator, state = ready(xp=xp, robots=robots)
    transitions = []
    for when in range(steps):
        simulator.forces = np.zeros((robots, 5, 3))
        simulator.forces[:, 0, 2] = 2.0 * (np.arange(robots) % 3 == when % 7)
        simulator.forces[:, 2, 2] = 2.0 * (when % 3 == 0)
        state, transition = step(made, simulator, state, act(xp, robots, when))
        transitions.append(transition)
    return state, transitions


@pytest.mark.parametrize("namespace", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
def test_every_namespace_gives_the_same_numbers(namespace: str) -> None:
    xp = torch_xp if namespace == "torch" else pytest.importorskip("jax.numpy")
    expected_state, expected = roll(numpy_xp, 5, 14)
    state, got = roll(xp, 5, 14)
    pairs = list(zip(expected, got, strict=True))
    for a, b in pairs:
        assert np.array_equal(a.reset_reason, convert(b.reset_reason, "numpy"))
        for name, value in a.reward_terms.items():
            np.testing.assert_allclose(convert(b.reward_terms[name], "numpy"), value, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(convert(b.observation.policy, "numpy"), a.observation.policy, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            convert(b.final_observation.critic, "numpy"), a.final_observation.critic, rtol=1e-4, atol=1e-4
        )
    assert sum(int((a.reset_reason > 0).sum()) for a in expected) > 5
    ours, theirs = dict(rows.named_arrays(expected_state.episodes)), dict(rows.named_arrays(state.episodes))
    for name in ("key", "number", "step", "level", "column"):
        assert np.array_equal(ours[name], convert(theirs[name], "numpy")), name
    for name, value in ours.items():
        np.testing.assert_allclose(convert(theirs[name], "numpy"), value, rtol=1e-4, atol=1e-4, err_msg=name)


def test_draws_are_bit_equal_on_every_namespace() -> None:
    _, _, ours = ready()
    _, _, theirs = ready(xp=torch_xp)
    for name in ("key", "level", "column", "command", "start_position"):
        a, b = getattr(ours.episodes, name), convert(getattr(theirs.episodes, name), "numpy")
        if name == "command":  # all drawn but the yaw rate, which follows from the heading by an arctangent
            a, b = a[:, [0, 1, 3]], b[:, [0, 1, 3]]
        assert np.array_equal(a, b), name


@pytest.mark.slow
def test_jax_compiles_the_whole_step() -> None:
    jax = pytest.importorskip("jax")
    pytest.importorskip("mujoco.mjx")
    from locoenvs.backends.mjx.trees import register

    register()
    made, simulator, state = ready(xp=jax.numpy)
    compiled = jax.jit(lambda s, a: step(made, simulator, s, a))
    for when in range(12):
        plain_state, plain = step(made, simulator, state, act(jax.numpy, 5, when))
        state, fast = compiled(state, act(jax.numpy, 5, when))
        np.testing.assert_allclose(fast.observation.policy, plain.observation.policy, rtol=1e-3, atol=1e-3)
        assert np.array_equal(fast.reset_reason, plain.reset_reason)
        assert np.array_equal(state.episodes.number, plain_state.episodes.number)


def test_time_limit_truncates_and_a_fall_at_the_limit_is_a_fall() -> None:
    made, simulator, state = ready(robots=3)
    for when in range(9):
        state, transition = step(made, simulator, state, act(numpy_xp, 3, when))
        assert not (transition.terminated | transition.truncated).any()
    simulator.forces[1, 0] = (0, 0, 1.5)
    state, transition = step(made, simulator, state, act(numpy_xp, 3, 9))
    assert transition.terminated.tolist() == [False, True, False]
    assert transition.truncated.tolist() == [True, False, True]
    assert transition.reset_reason.tolist() == [1, 2, 1]
    assert state.episodes.number.tolist() == [1, 1, 1] and state.episodes.step.tolist() == [0, 0, 0]
    assert transition.log["episodes"] == 3 and transition.log["episode_seconds"] == pytest.approx(0.2)


def test_a_force_at_the_threshold_does_not_terminate() -> None:
    made, simulator, state = ready(robots=2)
    simulator.forces[:, 0] = [(0.6, 0.8, 0), (0.61, 0.8, 0)]
    _, transition = step(made, simulator, state, act(numpy_xp, 2, 0))
    assert transition.terminated.tolist() == [False, True]


def test_broken_physics_terminates_is_named_and_leaves_no_nan() -> None:
    made, simulator, state = ready(robots=2)
    simulator.broken[1] = True
    good = simulator.advance

    def breaking(physics: object, target: object) -> tuple[object, object]:
        after, readout = good(physics, target)
        readout.joint_velocity[1] = np.nan
        return after, readout

    simulator.advance = breaking  # type: ignore[assignment, method-assign]
    _, transition = step(made, simulator, state, act(numpy_xp, 2, 0))
    assert transition.reset_reason.tolist() == [0, 3]
    assert np.isfinite(transition.reward).all() and np.isfinite(transition.final_observation.policy).all()


def test_the_final_observation_is_of_the_old_episode_and_the_observation_of_the_new_one() -> None:
    made, simulator, state = ready(robots=4)
    simulator.forces[2, 0, 2] = 5.0
    action = act(numpy_xp, 4, 0)
    after, transition = step(made, simulator, state, action)
    last_action = next(slot for slot in made.layout if slot.name == "last_action")
    where = slice(last_action.start, last_action.stop)
    assert np.array_equal(transition.final_observation.policy[:, where], action)
    assert transition.observation.policy[2, where].tolist() == [0, 0]
    others = [0, 1, 3]
    assert np.array_equal(transition.observation.policy[others], transition.final_observation.policy[others])
    assert after.episodes.number.tolist() == [0, 0, 1, 0]
    assert np.array_equal(after.physics.base_position[2], after.episodes.readout.base_position[2])


def test_a_reset_touches_only_its_robots() -> None:
    made, simulator, state = ready()
    state, _ = step(made, simulator, state, act(numpy_xp, 5, 0))
    after = reset(made, simulator, state, np.array([False, True, False, False, True]))
    for name, old in rows.named_arrays(state.episodes):
        new = dict(rows.named_arrays(after.episodes))[name]
        assert np.array_equal(old[[0, 2, 3]], new[[0, 2, 3]]), name
    assert after.episodes.step.tolist() == [1, 0, 1, 1, 0]


def test_idle_robots_stand_still() -> None:
    made, simulator, state = ready(robots=2)
    idle = np.array([True, False])
    after, transition = advance(made, simulator, state, act(numpy_xp, 2, 0), idle=idle)
    assert after.episodes.step.tolist() == [0, 1]
    assert transition.reward[0] == 0 and all(value[0] == 0 for value in transition.reward_terms.values())


def test_pushes_come_when_due_and_add_to_the_velocity() -> None:
    made, simulator, state = ready(robots=3)
    for when in range(1, 7):
        before = state.physics.base_linear_velocity
        state, _ = step(made, simulator, state, act(numpy_xp, 3, when))
        change = (state.physics.base_linear_velocity - before)[:, :2]
        pushed = np.abs(change).max(axis=1) > 1e-6
        assert pushed.tolist() == [when % 3 == 0] * 3
        assert np.abs(change).max() <= 2.0  # +-1 m/s in the world, seen from a base that has turned


def test_a_push_may_have_a_speed_and_go_anywhere() -> None:
    plain, fast = Pushes(interval=0.06), Pushes(interval=0.06, speed=(0.5, 2.0))
    assert fast != plain and "speed" not in documents.stored(plain) and documents.stored(fast)["speed"] == [0.5, 2.0]
    key = rng.robot_key(0, 0, np.arange(2000, dtype=np.int32), 128)
    velocity = pushes.drawn(fast, key, key * 0, key * 0 + 3)
    speed, angle = np.linalg.norm(velocity, axis=-1), np.arctan2(velocity[:, 1], velocity[:, 0])
    assert 0.5 <= speed.min() < 0.51 and 1.99 < speed.max() <= 2.0 and speed.mean() == pytest.approx(1.25, abs=0.03)
    assert np.histogram(angle, 4, (-np.pi, np.pi))[0] == pytest.approx([500] * 4, abs=80)
    with pytest.raises(ValueError, match="speed"):
        Pushes(speed=(2.0, 0.5))


def test_pushes_can_grow_with_the_penalties() -> None:
    schedule = PenaltySchedule(start=0.25, control_steps=300, disturbances=True)
    growing = dataclasses.replace(TASK, rewards=dataclasses.replace(TASK.rewards, penalty_schedule=schedule))
    still = dataclasses.replace(TASK, randomization=dataclasses.replace(TASK.randomization, pushes=None))

    def velocity(task: Task, clock: int) -> np.ndarray:
        made, simulator, state = ready(task, robots=3)
        episodes = dataclasses.replace(state.episodes, step=state.episodes.step + 2)
        state = dataclasses.replace(state, episodes=episodes, clock=state.clock + np.int32(clock))
        state, _ = step(made, simulator, state, act(numpy_xp, 3, 0))
        return np.asarray(state.episodes.readout.base_linear_velocity)[:, :2]

    unpushed = velocity(still, 0)
    cases = (("full", TASK, 0), ("start", growing, 0), ("half", growing, 100), ("end", growing, 400))
    speeds = {name: np.linalg.norm(velocity(task, clock) - unpushed, axis=1) for name, task, clock in cases}
    assert speeds["full"].min() > 0.1
    np.testing.assert_allclose(speeds["start"] / speeds["full"], 0.25, rtol=1e-5)
    np.testing.assert_allclose(speeds["half"] / speeds["full"], 0.5, rtol=1e-5)
    np.testing.assert_allclose(speeds["end"], speeds["full"], rtol=1e-6)


def test_due_commands_change_with_their_chance_and_the_factor_of_the_schedule() -> None:
    schedule = PenaltySchedule(start=0.25, control_steps=300, disturbances=True)
    task = dataclasses.replace(
        TASK,
        commands=dataclasses.replace(TASK.commands, resample_every=0.06, mode="yaw_rate"),
        rewards=dataclasses.replace(TASK.rewards, penalty_schedule=schedule),
    )
    changed = []
    for chance, clock, count in ((1.0, 0, 2), (0.5, 400, 2), (1.0, 0, 1), (1.0, 400, 2)):
        commands = dataclasses.replace(task.commands, resample_chance=chance)
        made, simulator, state = ready(dataclasses.replace(task, commands=commands), robots=4000)
        episodes = dataclasses.replace(state.episodes, step=state.episodes.step + count)
        due = dataclasses.replace(state, episodes=episodes, clock=state.clock + np.int32(clock))
        after, _ = step(made, simulator, due, act(numpy_xp, 4000, 0))
        changed.append(np.any(after.episodes.command != state.episodes.command, axis=1).mean())
    assert changed[0] == pytest.approx(0.25, abs=0.03)  # 4 standard deviations
    assert changed[1] == pytest.approx(0.5, abs=0.03)
    assert changed[2:] == [0.0, 1.0]


def test_terms_sum_to_the_reward_and_to_the_episode_sums() -> None:
    task = dataclasses.replace(TASK, rewards=dataclasses.replace(TASK.rewards, clip_at_zero=False))
    made, simulator, state = ready(task)
    simulator.forces[:, 1, 2] = 3.0
    total = np.zeros((5, len(made.reward_terms)), dtype=np.float32)
    for when in range(4):
        state, transition = step(made, simulator, state, act(numpy_xp, 5, when))
        np.testing.assert_allclose(sum(transition.reward_terms.values()), transition.reward, rtol=1e-6)
        total += np.stack(list(transition.reward_terms.values()), axis=-1)
    np.testing.assert_allclose(state.episodes.sums, total, rtol=1e-5)
    assert transition.reward.min() < 0


def test_the_total_is_clipped_at_zero_but_the_terms_are_not() -> None:
    made, simulator, state = ready()
    simulator.forces[:, 1, 2] = 3.0
    simulator.forces[:, 3, 2] = 3.0
    _, transition = step(made, simulator, state, act(numpy_xp, 5, 0) * 20)
    assert (transition.reward == 0).all() and (sum(transition.reward_terms.values()) < 0).all()


def test_air_time_pays_at_first_contact_which_is_or_ed_with_the_step_before() -> None:
    made, simulator, state = ready(dataclasses.replace(TASK, curriculum=Curriculum(enabled=False)), robots=1)
    command = np.array([[1, 0, 0, 0]], dtype=np.float32)
    state = dataclasses.replace(state, episodes=dataclasses.replace(state.episodes, command=command))
    paid, air = [], []
    for height_force in (0, 0, 2, 0, 0, 2):
        simulator.forces[0, 2, 2] = height_force
        state, transition = step(made, simulator, state, act(numpy_xp, 1, 0) * 0)
        paid.append(round(float(transition.reward_terms["feet_air_time"][0]), 6))
        air.append(round(float(state.episodes.air_time[0, 0]), 6))
    # Steps 1 and 2 in the air; touches down at step 3 after 0.06 s; step 4 still counts as contact, by the step before.
    assert air == [0.02, 0.04, 0.0, 0.0, 0.02, 0.0]
    assert paid == pytest.approx([0, 0, 0.02 * (0.06 - 0.5), 0, 0, 0.02 * (0.04 - 0.5)], abs=1e-6)


def test_stagger_spreads_the_first_time_limits() -> None:
    made, simulator = prepare(TASK, build(GROUND), numpy_xp), FakeSimulator(numpy_xp, 500)
    steps = initial(made, simulator, seed=0, split=0, stagger=True).episodes.step
    assert np.bincount(steps, minlength=10).min() > 25 and steps.max() == 9


def test_friction_is_drawn_within_its_range_and_is_the_robots_own() -> None:
    made, simulator, _ = ready(robots=200)
    assert simulator.friction.min() >= 0.5 and simulator.friction.max() < 1.25 and simulator.friction.std() > 0.15
    few = FakeSimulator(numpy_xp, 3)
    initial(made, few, seed=7, split=0)
    assert np.array_equal(few.friction, simulator.friction[:3])
    initial(made, few, seed=7, split=rng.SPLITS["panel"])
    assert not np.array_equal(few.friction, simulator.friction[:3])


EDGE_TASK = dataclasses.replace(TASK, timing=Timing(episode_length=2.0), randomization=Randomization(pushes=None))


def thrown(xp: ModuleType, task: Task = EDGE_TASK) -> tuple[FakeSimulator, list[Transition], list[np.ndarray]]:
    """Robots that slide outwards at 0, 20, 40, 60 and 80 m/s along x; they fall when ``forces`` says so."""
    made = prepare(task, map_of(task), xp)
    simulator = FakeSimulator(xp, 5)
    state = initial(made, simulator, seed=7, split=0)
    speed = xp.asarray(np.arange(5, dtype=np.float32)[:, None] * [[20.0, 0.0, 0.0]], dtype=xp.float32)
    transitions, places = [], []
    for _ in range(40):
        moving = dataclasses.replace(state.physics, base_linear_velocity=speed)  # type: ignore[type-var]
        places.append(np.array(convert(moving.base_position, "numpy")))  # type: ignore[union-attr]
        state, transition = step(made, simulator, dataclasses.replace(state, physics=moving), act(xp, 5, 0))
        transitions.append(transition)
    return simulator, transitions, places


@pytest.mark.parametrize("namespace", ["numpy", "torch", pytest.param("jax", marks=pytest.mark.slow)])
def test_a_robot_at_the_edge_of_the_map_is_cut_while_it_stands_on_ground(namespace: str) -> None:
    xp = {"numpy": numpy_xp, "torch": torch_xp}.get(namespace) or pytest.importorskip("jax.numpy")
    half = -map_of(EDGE_TASK).origin[0]
    _, transitions, places = thrown(xp)
    edge = RESET_REASONS.index("map_edge")
    for transition, before in zip(transitions, places):
        reached = np.abs(before[:, 0] + 0.02 * 20 * np.arange(5)) > half - 1.0
        truncated, reason = convert(transition.truncated, "numpy"), convert(transition.reset_reason, "numpy")
        assert np.array_equal(truncated, reached) and np.array_equal(reason == edge, reached)
        assert not convert(transition.terminated, "numpy").any()
        assert (np.abs(before[:, 0]) < half).all()
    cut = sum(convert(transition.truncated, "numpy").astype(int) for transition in transitions)
    assert cut[0] == cut[1] == 0 and (np.diff(cut[1:]) > 0).all(), cut


def test_a_fall_at_the_edge_is_a_fall_and_the_time_limit_is_the_time_limit() -> None:
    made = prepare(EDGE_TASK, map_of(EDGE_TASK), numpy_xp)
    simulator = FakeSimulator(numpy_xp, 3)
    state = initial(made, simulator, seed=7, split=0)
    far = dataclasses.replace(state.physics, base_position=state.physics.base_position + 1e3)  # type: ignore[type-var, union-attr]
    late = numpy_xp.asarray(np.array([0, EDGE_TASK.timing.max_episode_steps - 1, 0], np.int32))
    state = dataclasses.replace(state, physics=far, episodes=dataclasses.replace(state.episodes, step=late))
    simulator.forces = np.zeros((3, 5, 3))
    simulator.forces[2, 0, 2] = 100.0
    _, transition = step(made, simulator, state, act(numpy_xp, 3, 0))
    assert [RESET_REASONS[index] for index in transition.reset_reason] == ["map_edge", "time_limit", "base_contact"]
    assert transition.truncated.tolist() == [True, True, False] and transition.terminated.tolist() == [
        False,
        False,
        True,
    ]


def test_a_plane_has_no_edge() -> None:
    plane = dataclasses.replace(EDGE_TASK, terrain=Terrain(kind="plane"))
    _, transitions, places = thrown(numpy_xp, plane)
    assert np.abs(places[-1]).max() > 60 and not any(transition.truncated.any() for transition in transitions)


def test_a_robot_may_have_more_feet_than_joints() -> None:
    """Every array of an episode has the shape that its robot asks for, from the first reset on."""
    legs = [Body(f"leg{k}", "base", (0.1 * k, 0, 0), 1.0, (0, 0, -0.1), (0.1, 0.1, 0.1, 0, 0, 0)) for k in range(4)]
    hinge = dataclasses.replace(legs[0], joint=BIPED.bodies[1].joint)
    robot = dataclasses.replace(
        BIPED,
        bodies=(BIPED.bodies[0], hinge, *legs[1:]),
        spheres=tuple(Sphere(name, (0, 0, -0.2), 0.03) for name in ("base", "leg0", "leg1", "leg2", "leg3")),
        feet=("leg0", "leg1", "leg2", "leg3"), penalized=(), terminating=("base",), mirror=(),
    )  # fmt: skip
    made = prepare(dataclasses.replace(TASK, robot=robot), build(GROUND), numpy_xp)
    simulator = FakeSimulator(numpy_xp, 8)
    state = initial(made, simulator, seed=7, split=0)
    shapes = {name: value.shape for name, value in rows.named_arrays(state.episodes)}
    assert shapes["air_time"] == shapes["contact"] == (8, 4) and shapes["joint_velocity"] == (8, 1)
    assert shapes["readout.contact_force"] == (8, 5, 3) and shapes["readout.foot_velocity"] == (8, 4, 3)
    after, _ = step(made, simulator, state, numpy_xp.zeros((8, 1), dtype=numpy_xp.float32))
    assert {name: value.shape for name, value in rows.named_arrays(after.episodes)} == shapes


def test_no_sphere_begins_in_the_ground_and_starts_that_touch_nothing_stay() -> None:
    made, _, state = ready(robots=300)
    position = state.episodes.readout.base_position
    below = ground_height(made.ground, made.height_map.origin, made.height_map.cell, position[:, 0], position[:, 1])
    turned = rotate(
        state.episodes.readout.base_quaternion[:, None, :], sphere_centers(LOW, state.episodes.readout.joint_position)
    )
    center = turned + position[:, None]
    under = ground_height(made.ground, made.height_map.origin, made.height_map.cell, center[..., 0], center[..., 1])
    gap = (center[..., 2] - 0.03 - under).min(axis=1)
    assert gap.min() > -1e-5
    raised = position[:, 2] > below + LOW.start_height + 1e-6
    assert raised.any() and not raised.all()
    assert np.array_equal(position[~raised, 2], (below + np.float32(LOW.start_height))[~raised])
    assert gap[raised].max() < 0.1, "raised no more than it takes"
