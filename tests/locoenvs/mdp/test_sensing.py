"""What sensors give: the policy sees what they misread, and late; a critic sees the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.draws import Draw, drive_numbers
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.observations import observe
from locoenvs.mdp.sensing import exact, from_the_begin, remembered, sensed, slots
from locoenvs.mdp.state import EnvState, Episodes, Readout, Transition
from locoenvs.mdp.step import initial, reset, step, step_then_wait
from locoenvs.mdp.terrain import build
from locoenvs.numerics import compiled, rows
from locoenvs.numerics.arrays import convert
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Commands, HeightScan, Observations, Pushes, Randomization, Task, Terrain, Timing

NOISY = Task(
    BIPED,
    terrain=Terrain(
        levels=2,
        columns=2,
        border=2.0,
        platform=0.2,
        shares=(TileShare("rough", 1.0, parameters={"roughness": (0.1, 0.1)}),),
    ),
    timing=Timing(episode_length=0.5),
    commands=Commands(resample_every=0.06),
    observations=Observations.paper(HeightScan(rows=4, columns=3)),
    randomization=Randomization(pushes=Pushes(interval=0.1)),
)
PLAIN = dataclasses.replace(NOISY, observations=NOISY.observations.perfect())
GROUND = build(PLAIN.terrain)
ROBOTS = 6
KNOWN = ("command_linear_velocity", "command_yaw_rate", "last_action")


def varied(task: Task = PLAIN, **terms: Any) -> Task:
    return task.with_({f"randomization.terms.{name}": {"parameters": given} for name, given in terms.items()})


class Tumbling(FakeSimulator):
    """Its base turns, x to y, y to z, z to x, so that every sensor has something new to tell at every step."""

    def advance(self, physics: object, target: Any) -> tuple[object, Readout]:
        _, readout = super().advance(physics, target)
        w, x, y, z = readout.base_quaternion.T / 2
        turned = np.stack([w - x - y - z, w + x + y - z, w - x + y + z, w + x - y + z], axis=-1)
        slower = -0.9 * readout.base_angular_velocity
        readout = dataclasses.replace(readout, base_quaternion=turned, base_angular_velocity=slower)
        return readout, readout


def ready(task: Task) -> tuple[Mdp, FakeSimulator, EnvState]:
    made, simulator = prepare(task, GROUND, numpy_xp), Tumbling(numpy_xp, ROBOTS)
    return made, simulator, initial(made, simulator, seed=7, split=0)


def act(when: int) -> np.ndarray:
    return np.sin(np.arange(ROBOTS * 2) + when).reshape(ROBOTS, 2).astype(np.float32)


def columns(made: Mdp, *names: str) -> np.ndarray:
    """The columns of the observation that those slots take."""
    return np.concatenate([np.arange(slot.start, slot.stop) for slot in made.layout if slot.name in names])


def sensors(made: Mdp) -> np.ndarray:
    return columns(made, *(slot.name for slot in made.layout if slot.name not in KNOWN))


def off(task: Task, step_: int = 0) -> tuple[Mdp, Episodes, np.ndarray]:
    """By how much the policy's view differs from that of the task without terms, whose critic sees the same."""
    made, _, state = ready(task)
    episodes = dataclasses.replace(state.episodes, step=state.episodes.step + step_)
    plain = prepare(dataclasses.replace(task, randomization=PLAIN.randomization), GROUND, numpy_xp)
    truth, seen = observe(plain, dataclasses.replace(episodes, sensed=None)), observe(made, episodes)
    np.testing.assert_array_equal(seen.critic, truth.critic)
    again = observe(made, episodes)
    np.testing.assert_array_equal(again.policy, seen.policy)
    np.testing.assert_array_equal(again.critic, seen.critic)
    return made, episodes, seen.policy - truth.policy


def test_without_randomizations_sensors_are_exact() -> None:
    made, _, state = ready(PLAIN)
    assert exact(PLAIN) and state.episodes.sensed is None
    assert exact(varied(motor_strength={}, link_mass={}, action_delay={})), "what drives and bodies do is no sensor's"
    for name in ("imu_bias", "encoder_offset", "height_offset", "height_drift", "height_dropout", "observation_delay"):
        assert not exact(varied(**{name: {}})), name
    seen = observe(made, state.episodes)
    np.testing.assert_array_equal(seen.policy, seen.critic)
    values = slots(made, state.episodes)
    np.testing.assert_array_equal(sensed(made, state.episodes, values), np.concatenate(list(values.values()), axis=1))


@pytest.mark.parametrize("base", [PLAIN, NOISY], ids=["perfect", "noisy"])
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("imu_bias", ("base_angular_velocity", "projected_gravity")),
        ("encoder_offset", ("joint_position",)),
        ("height_offset", ("heights",)),
        ("height_drift", ("heights",)),
        ("height_dropout", ("heights",)),
    ],
)
def test_a_policy_sees_what_sensors_misread_and_a_critic_the_truth(
    base: Task, name: str, seen: tuple[str, ...]
) -> None:
    given = {"height_dropout": {"share": 0.5}, "height_drift": {"distance": 1.0}}.get(name, {})
    made, _, error = off(varied(base, **{name: given}), step_=20)
    misread = columns(made, *seen)
    assert (np.abs(error[:, misread]).max(axis=0) > 1e-3).all()
    assert not np.delete(error, misread, axis=1).any()


def test_the_errors_come_before_the_scale() -> None:
    made, episodes, error = off(varied(imu_bias={"angular_velocity": 0.4, "gravity": 0.1}))
    drawn = Draw("imu_bias", episodes.key, episodes.number, episodes.step)(6) * 2 - 1
    np.testing.assert_allclose(error[:, columns(made, "base_angular_velocity")], 0.25 * 0.4 * drawn[:, :3], atol=1e-6)
    np.testing.assert_allclose(error[:, columns(made, "projected_gravity")], 0.1 * drawn[:, 3:], atol=1e-6)
    made, episodes, error = off(varied(height_offset={"offset": (0.05, 0.05)}))
    np.testing.assert_allclose(error[:, columns(made, "heights")], 5 * 0.05, atol=1e-5)


def test_the_policy_reads_the_joints_as_their_drives_do() -> None:
    made, episodes, error = off(varied(encoder_offset={}))
    numbers = drive_numbers(made, episodes.key, episodes.number)
    np.testing.assert_allclose(error[:, columns(made, "joint_position")], numbers[3], atol=1e-6)


def test_the_rewards_see_the_truth() -> None:
    task = varied(imu_bias={}, height_offset={}, height_dropout={}, observation_delay={})
    (_, ours), (_, plain) = (roll(given, 12) for given in (task, PLAIN))
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(a.reward, b.reward)
        np.testing.assert_array_equal(a.reset_reason, b.reset_reason)
        np.testing.assert_array_equal(a.observation.critic, b.observation.critic)
        np.testing.assert_array_equal(a.final_observation.critic, b.final_observation.critic)


def falls(when: int) -> np.ndarray:
    """The forces that make one robot after another fall, but for the first two."""
    forces = np.zeros((ROBOTS, 5, 3))
    forces[:, 0, 2] = 2.0 * ((np.arange(ROBOTS) > 1) & (np.arange(ROBOTS) % 5 == when % 5))
    return forces


def roll(task: Task, steps: int) -> tuple[Any, list[Transition]]:
    """The first observation, and the transitions of robots that fall now and then."""
    made, simulator, state = ready(task)
    first, transitions = observe(made, state.episodes), []
    for when in range(steps):
        simulator.forces = falls(when)
        state, transition = step(made, simulator, state, act(when))
        transitions.append(transition)
    return first, transitions


def late(first: Any, plain: list[Transition], delay: np.ndarray, made: Mdp, reader: str) -> list[np.ndarray]:
    """What policies see ``delay`` (ROBOTS,) control steps late, worked out from a run without delays."""
    known = columns(made, *KNOWN)
    pasts = [[row] for row in first.policy]  # of each robot, since its episode began
    expected = []
    for transition in plain:
        done = transition.terminated | transition.truncated
        now = np.empty_like(transition.observation.policy)
        for robot, past in enumerate(pasts):
            past.append(transition.final_observation.policy[robot])
            if done[robot] and reader == "observation":
                past[:] = [transition.observation.policy[robot]]
            now[robot] = past[max(len(past) - 1 - delay[robot], 0)]
            now[robot, known] = past[-1][known]
            if done[robot]:
                past[:] = [transition.observation.policy[robot]]
        expected.append(now)
    return expected


@pytest.mark.parametrize("reader", ["observation", "final_observation"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_what_sensors_give_is_that_of_so_many_steps_ago(steps: int, reader: str) -> None:
    """From an episode's begin on, whichever robots begin anew; what a robot knows is not late."""
    task = varied(observation_delay={"delay": (0.02 * steps, 0.02 * steps)})
    first, plain = roll(PLAIN, 30)
    begun, found = roll(task, 30)
    np.testing.assert_array_equal(begun.policy, first.policy)
    made = prepare(task, GROUND, numpy_xp)
    expected = late(first, plain, np.full(ROBOTS, steps), made, reader)
    for transition, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(getattr(transition, reader).policy, wanted)
    done = np.stack([transition.terminated | transition.truncated for transition in plain])
    assert (done.sum(axis=0) > 0).all() and done.any(axis=1).any() and not done.all(axis=1).any()
    changes = np.stack([np.abs(now.observation.policy - now.observation.critic) for now in found]).max(axis=(0, 1))
    assert (changes[sensors(made)] > 0).all() if steps else not changes.any()
    assert not changes[columns(made, *KNOWN)].any()


def test_every_robot_is_as_late_as_its_draw_says_in_each_episode() -> None:
    task = varied(observation_delay={"delay": (0.0, 0.06)})
    made, _, state = ready(task)
    assert state.episodes.sensed.shape == (ROBOTS, 3, made.observation_size)
    first, plain = roll(PLAIN, 20)
    _, found = roll(task, 20)
    numbers = np.zeros(ROBOTS, np.int32)
    by_delay = [late(first, plain, np.full(ROBOTS, steps), made, "observation") for steps in range(4)]
    used = set()
    for when, transition in enumerate(found):
        numbers += transition.terminated | transition.truncated
        seconds = Draw("observation_delay", state.episodes.key, numbers, numbers * 0).between((0.0, 0.06), 1)[:, 0]
        steps = np.round(seconds / np.float32(0.02)).astype(int)
        used |= set(steps)
        for robot in range(ROBOTS):
            np.testing.assert_array_equal(transition.observation.policy[robot], by_delay[steps[robot]][when][robot])
    assert used == {0, 1, 2, 3}


def test_what_is_misread_comes_late_as_it_was_misread() -> None:
    once = {"imu_bias": {}, "height_dropout": {"share": 0.5}, "height_drift": {"distance": 0.5}}
    delayed = varied(**once, observation_delay={"delay": (0.04, 0.04)})
    first, now = roll(varied(**once), 12)
    _, found = roll(delayed, 12)
    expected = late(first, now, np.full(ROBOTS, 2), prepare(delayed, GROUND, numpy_xp), "observation")
    for transition, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(transition.observation.policy, wanted)


def test_delays_of_less_than_half_a_step_are_none() -> None:
    (_, found), (_, plain) = (roll(task, 4) for task in (varied(observation_delay={"delay": (0.0, 0.0099)}), PLAIN))
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_array_equal(a.observation.policy, b.observation.policy)


def test_noise_is_of_the_moment_that_it_is_read_in() -> None:
    given = {"delay": (0.04, 0.04)}
    runs = [roll(task, 8)[1] for task in (varied(observation_delay=given), varied(NOISY, observation_delay=given))]
    (_, plain), (_, noisy) = roll(PLAIN, 8), roll(NOISY, 8)
    for clean, both, a, b in zip(*runs, plain, noisy, strict=True):
        noise = b.observation.policy - a.observation.policy
        np.testing.assert_allclose(both.observation.policy - clean.observation.policy, noise, atol=1e-5)


def test_without_compiled_kernels_it_is_the_same() -> None:
    task = varied(NOISY, observation_delay={}, imu_bias={}, height_drift={}, height_dropout={})
    _, ours = roll(task, 8)
    with compiled.plain():
        _, plain = roll(task, 8)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a.observation.policy, b.observation.policy, atol=2e-5)
        np.testing.assert_allclose(a.observation.critic, b.observation.critic, atol=2e-5)


@pytest.mark.parametrize("namespace", ["torch", "jax"])
def test_every_namespace_gives_the_same(namespace: str) -> None:
    task = varied(observation_delay={"delay": (0.02, 0.06)}, imu_bias={})
    task = task.with_({"observations.slots.heights": None})
    made, simulator, state = ready(task)
    for when in range(6):  # upright again
        state, _ = step(made, simulator, state, act(when))

    def found(xp: ModuleType) -> Callable[[Episodes], Any]:
        own = prepare(task, GROUND, xp)
        return lambda episodes: (observe(own, episodes), remembered(own, episodes), from_the_begin(own, episodes))

    seen, past, begun = found(numpy_xp)(state.episodes)
    if namespace == "torch":
        theirs = found(torch_xp)(rows.map_arrays(torch_xp.asarray, state.episodes))
    else:
        jax = pytest.importorskip("jax")
        from locoenvs.backends.mjx.trees import register

        register()
        theirs = jax.jit(found(jax.numpy))(rows.map_arrays(jax.numpy.asarray, state.episodes))
    for ours, other in zip(
        (seen.policy, seen.critic, past, begun), (*vars(theirs[0]).values(), *theirs[1:]), strict=True
    ):
        np.testing.assert_allclose(convert(other, "numpy"), ours, rtol=1e-4, atol=1e-4)


def test_robots_that_wait_for_their_reset_see_what_they_saw() -> None:
    task = varied(observation_delay={"delay": (0.04, 0.04)})
    made, simulator, state = ready(task)
    waiting, pasts = None, [[row] for row in observe(made, state.episodes).critic]
    for when in range(16):
        simulator.forces = falls(when)
        state, transition, done = step_then_wait(made, simulator, state, act(when), waiting)
        for robot, past in enumerate(pasts):
            if waiting is not None and waiting[robot]:
                past.clear()
            past.append(transition.observation.critic[robot])
            for column in sensors(made):
                assert transition.observation.policy[robot, column] == past[max(len(past) - 3, 0)][column]
        waiting = done
    assert state.episodes.number.max() > 1


def test_a_robot_that_is_reset_leaves_the_past_of_the_others() -> None:
    task = varied(observation_delay={"delay": (0.06, 0.06)})
    made, simulator, state = ready(task)
    for when in range(4):
        state, _ = step(made, simulator, state, act(when))
    mask = np.arange(ROBOTS) == 3
    after = reset(made, simulator, state, mask)
    np.testing.assert_array_equal(after.episodes.sensed[~mask], state.episodes.sensed[~mask])
    values = slots(made, after.episodes)
    now = np.concatenate(list(values.values()), axis=1)
    np.testing.assert_array_equal(after.episodes.sensed[mask], np.stack([now[mask]] * 3, axis=1))
    assert (after.episodes.sensed[mask] != state.episodes.sensed[mask]).any()


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_what_was_saved_goes_on_bit_by_bit(mode: str) -> None:
    terms = ("imu_bias", "encoder_offset", "observation_delay", "action_delay", "joint_friction", "link_mass")
    task = varied(task_of("Loco/AnymalC-Flat-v0", actuator="pd"), **{name: {} for name in terms})
    task = dataclasses.replace(task, timing=Timing(episode_length=0.2))
    env = LocoVectorEnv(task, 3, autoreset_mode=mode, privileged=True, backend="mujoco", options={"threads": 1})
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (24, 3, 12)).astype(np.float32)
    for action in actions[:12]:
        seen = env.step(action)[0]
    saved = env.save()
    assert saved["episodes.sensed"].shape == (3, 2, 48) and saved["physics.actuator"].shape == (4, 3, 12)
    first = [env.step(action) for action in actions[12:]]
    other = LocoVectorEnv(task, 3, autoreset_mode=mode, privileged=True, backend="mujoco", options={"threads": 1})
    for again in (env, other):
        begun = again.restore(saved)
        np.testing.assert_array_equal(begun["policy"], seen["policy"])
        for action, expected in zip(actions[12:], first, strict=True):
            got = again.step(action)
            for group in ("policy", "critic"):
                np.testing.assert_array_equal(got[0][group], expected[0][group])
            np.testing.assert_array_equal(got[1], expected[1])
    with pytest.raises(ValueError, match="what was saved lacks 'episodes.sensed'"):
        env.restore({name: value for name, value in saved.items() if name != "episodes.sensed"})
