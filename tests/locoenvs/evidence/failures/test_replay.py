"""A fall is seen again bit by bit, and otherwise from the same state: another policy, engine, friction, delay, or many copies."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import falls
import numpy as np
import pytest

from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.failures import archive
from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.failures.replay import Begin, Rerun, again, begin_of, both, otherwise, parted, run
from locoenvs.evidence.panel import load_panel
from locoenvs.policies.memory import Memory
from locoenvs.policies.policy import POLICIES, load_policy, save_policy

pytestmark = pytest.mark.xdist_group("replay")

EVERY = slice(None)


@pytest.fixture(scope="module")
def fallen(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return archive.load(falls.written(tmp_path_factory.mktemp("fallen")))


@pytest.fixture(scope="module")
def seen(fallen: Archive) -> tuple[Begin, Rerun]:
    """The first fall, from its kept state."""
    begin = begin_of(fallen, fallen.header.falls[0].robot)
    return begin, again(fallen, begin)


def test_a_fall_of_the_shipped_policy_is_seen_again_bit_by_bit(fallen: Archive, seen: tuple[Begin, Rerun]) -> None:
    """Alone, where the evaluation had eight robots."""
    fall, (begin, rerun) = fallen.header.falls[0], seen
    assert begin.steps == rerun.begun and fall.step - 125 < begin.steps[0] <= fall.step - 100
    assert rerun.fell.all() and rerun.steps == fall.step
    assert rerun.checksums == fallen.checksums[fall.robot]
    assert rerun.positions.shape == (fall.step - begin.steps[0] + 1, 1, 19)
    assert fallen.header.every_fall > 1
    together = again(fallen, both([begin_of(fallen, each.robot) for each in fallen.header.falls]))
    assert list(together.checksums) == [fallen.checksums[each.robot] for each in fallen.header.falls]


def test_a_robot_that_did_not_fall_is_seen_again_from_its_start(fallen: Archive) -> None:
    robot = next(each for each in range(8) if fallen.fall(each) is None)
    rerun = again(fallen, begin_of(fallen, robot))
    assert rerun.begun == 0 and rerun.steps == 150 and not rerun.fell.any()
    assert rerun.checksums == fallen.checksums[robot]


def test_a_fall_that_was_not_kept_is_seen_again_from_its_start(fallen: Archive) -> None:
    fall = fallen.header.falls[-1]
    without = dataclasses.replace(fallen, header=dataclasses.replace(fallen.header, falls=fallen.header.falls[:-1]))
    rerun = again(without, begin_of(without, fall.robot))
    assert rerun.begun == 0 and rerun.fell.all() and rerun.checksums == fallen.checksums[fall.robot]


def test_nothing_else_is_the_same_bit_by_bit(fallen: Archive, seen: tuple[Begin, Rerun]) -> None:
    begin, before = seen
    after = otherwise(fallen, begin)
    np.testing.assert_array_equal(after.positions, before.positions)
    assert after.checksums == before.checksums and parted(before, after, 0, EVERY, 0.0) is None


@pytest.mark.parametrize(
    ("changes", "soon"),
    [
        ({"randomization.friction": [0.2, 0.2]}, 10),
        ({"randomization.terms.action_delay": {"parameters": {"delay": [0.02, 0.02]}}}, 3),
        ({"randomization.terms.observation_delay": {"parameters": {"delay": [0.04, 0.04]}}}, 3),
        ({"randomization.terms.motor_strength": {"parameters": {"factor": [0.8, 0.8]}}}, 3),
        ({"randomization.payload": [5.0, 5.0]}, 3),
        ({"commands.forward": [-0.5, -0.5]}, 3),
        ({"randomization.pushes": None}, None),
    ],
)
def test_from_the_same_state_with_something_changed_it_parts_from_what_it_did(
    changes: dict[str, object], soon: int | None, fallen: Archive, seen: tuple[Begin, Rerun]
) -> None:
    begin, before = seen
    after = otherwise(fallen, begin, changes=changes)
    np.testing.assert_array_equal(after.positions[0], before.positions[0])
    step = parted(before, after, 0, slice(7, None), 1e-3)
    assert step is not None and step >= 1
    if soon is None:  # the push that it fell by does not come
        assert step > 120 - begin.steps[0] and not after.fell.any()
    else:
        assert step <= soon


def test_another_policy_goes_on_and_one_that_does_not_fit_is_refused(
    fallen: Archive, seen: tuple[Begin, Rerun]
) -> None:
    begin, before = seen
    same = load_policy(POLICIES / "anymal_c_rough")
    np.testing.assert_array_equal(otherwise(fallen, begin, policy=same).positions, before.positions)
    with pytest.raises(ValueError, match="does not fit the task"):
        otherwise(fallen, begin, policy=load_policy(POLICIES / "a1_flat"))


def test_of_copies_the_first_is_as_it_was_and_the_others_are_not(fallen: Archive, seen: tuple[Begin, Rerun]) -> None:
    begin, before = seen
    after = otherwise(fallen, begin, copies=4, spread=0.05)
    assert after.checksums[0] == before.checksums[0] and len(set(after.checksums.tolist())) == 4
    assert parted(before, after, 0, EVERY, 0.0) is None
    assert {parted(before, after, robot, EVERY, 1e-5) for robot in (1, 2, 3)} == {1}, (
        "velocities differ, places do not yet"
    )
    with pytest.raises(ValueError, match="copies must be at least 1"):
        otherwise(fallen, begin, copies=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terrain.levels": 3}, "terrain is another here: change neither"),
        ({"robot.start_height": 0.7}, "robot is another here"),
    ],
)
def test_the_robot_and_its_ground_stay(
    changes: dict[str, object], message: str, fallen: Archive, seen: tuple[Begin, Rerun]
) -> None:
    with pytest.raises(ValueError, match=message):
        otherwise(fallen, seen[0], changes=changes)


def test_a_robot_that_is_not_there_is_refused(fallen: Archive) -> None:
    for robot in (8, -1):
        with pytest.raises(ValueError, match=f"robot {robot} is not in .*: its panel has robots 0 to 7"):
            begin_of(fallen, robot)


def test_a_state_of_another_robot_or_task_is_refused(fallen: Archive, seen: tuple[Begin, Rerun]) -> None:
    env = LocoVectorEnv(task_of("Loco/A1-Flat-v0"), 1, backend="mujoco")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=f"is of task {env.task.hash}, this environment does task"):
        again(fallen, dataclasses.replace(seen[0], state=env.save()))


def test_a_replay_ends_when_all_have_ended_and_begins_nothing_that_counts(fallen: Archive) -> None:
    """Two robots that end at other times: the first one's next episode leaves no trace."""
    looks: list[list[bool]] = []
    begin = both([begin_of(fallen, each.robot) for each in fallen.header.falls[:2]])
    rerun = again(fallen, begin, lambda env, step, alive: looks.append(alive.tolist()))
    assert len(looks) == len(rerun.positions) == max(rerun.steps - rerun.begun) + 1
    for robot in range(2):
        assert sum(alive[robot] for alive in looks) == rerun.steps[robot] - rerun.begun[robot] + 1


@pytest.mark.slow
def test_a_fall_goes_on_from_the_same_state_on_mjx(fallen: Archive, seen: tuple[Begin, Rerun]) -> None:
    """The physics of both, for a few steps: the same place, and nearly the same motion."""
    pytest.importorskip("mujoco.mjx")
    begin, before = seen
    soon = {"timing.episode_length": 0.02 * (int(begin.steps[0]) + 12)}
    after = otherwise(fallen, begin, backend="mjx", options={"impl": "jax"}, changes=soon)
    assert after.steps - after.begun == 12
    np.testing.assert_allclose(after.positions[0], before.positions[0], atol=1e-6)
    apart = np.abs(after.positions[:, 0] - before.positions[:13, 0]).max(axis=1)
    assert 0 < apart[1] < 2e-3 and apart.max() < 0.05


@pytest.mark.slow
def test_what_fell_on_mjx_is_seen_again_there_bit_by_bit_among_as_many(tmp_path: Path) -> None:
    pytest.importorskip("mujoco.mjx")
    flat = load_panel("flat")
    held_out = dataclasses.replace(flat, num_robots=3, task=flat.task.with_({"timing.episode_length": 2.5}), seed=1)
    throw, keeper = tmp_path / "throw", Keeper()
    bias = np.tile([0.0, 6.0, -6.0], 4)
    save_policy(throw, held_out.task, [(np.zeros((12, 48)), bias)])
    policy = load_policy(throw)
    result = evaluate(policy, held_out, "mjx", watch=keeper, options={"impl": "jax"})
    path = tmp_path / "result.json"
    path.write_text(result.to_json())
    archive.write(archive.beside(path), keeper, result, held_out, policy, {})
    read = archive.load(path)
    assert read.header.backend == "mjx" and read.header.options["impl"] == "jax"
    robots = [fall.robot for fall in read.header.falls]
    assert robots
    rerun = again(read, both([begin_of(read, robot) for robot in robots[-2:]]))
    assert rerun.fell.all() and list(rerun.checksums) == [read.checksums[robot] for robot in robots[-2:]]
    assert otherwise(read, begin_of(read, robots[0]), backend="mujoco").fell.all()


def test_a_fall_of_a_recurrent_policy_is_seen_again_from_its_start(tmp_path: Path) -> None:
    """What it remembered is not kept, so it must live through it again."""
    flat, rng, keeper = load_panel("flat"), np.random.default_rng(0), Keeper()
    held_out = dataclasses.replace(flat, num_robots=2, task=flat.task.with_({"timing.episode_length": 3.5}))
    unit = tuple(rng.normal(size=shape) / 4 for shape in ((12, 48), (12, 4), (12,), (12,)))
    last = 6 * rng.normal(size=(12, 4)), np.tile([0.0, 6.0, -6.0], 4)
    save_policy(tmp_path / "throw", held_out.task, [last], memory=Memory("gru", [unit]))  # type: ignore[list-item]
    policy, path = load_policy(tmp_path / "throw"), tmp_path / "result.json"
    result = evaluate(policy, held_out, "mujoco", watch=keeper)
    path.write_text(result.to_json())
    archive.write(archive.beside(path), keeper, result, held_out, policy, {})
    read = archive.load(path)
    robot = read.header.falls[0].robot
    begin = begin_of(read, robot)
    assert begin.steps == 0 and read.steps[robot] > 10
    for _ in range(2):
        rerun = again(read, begin)
        assert rerun.fell.all() and rerun.checksums == read.checksums[robot]


def test_a_policy_gives_a_robot_the_same_whatever_the_others_are() -> None:
    """What replays stand on: the rows of a batch do not depend on how many there are, to the last bit."""
    policy = falls.policy()
    seen = np.random.default_rng(0).normal(size=(40, policy.document["observation"]["size"])).astype(np.float32)
    whole = policy(seen)
    for chosen in ([7], [7, 30], [39, 7, 3], [*range(17)]):
        np.testing.assert_array_equal(policy(seen[chosen]), whole[chosen])


def test_run_is_given_what_it_needs_and_no_more(seen: tuple[Begin, Rerun]) -> None:
    task = task_of("Loco/A1-Flat-v0").with_({"timing.episode_length": 0.1})
    env = LocoVectorEnv(task, 2, backend="mujoco", stagger=False, autoreset_mode="disabled")
    observation, _ = env.reset(seed=0)
    begin = Begin(env.save(), np.zeros(2, np.int32), np.zeros(2, np.uint64))
    rerun = run(env, lambda o: np.zeros((len(o), 12), np.float32), observation, begin)
    assert list(rerun.steps) == [5, 5] and not rerun.fell.any() and rerun.positions.shape == (6, 2, 19)
