"""Who moves a level up or down: exact arrays."""

from __future__ import annotations

import dataclasses

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs import curriculum, rng
from locoenvs.mdp import Mdp, prepare
from locoenvs.state import Episodes
from locoenvs.step import initial, reset
from locoenvs.task import Curriculum, Observations, Task, Terrain, TileShare
from locoenvs.terrain import build

GROUND = Terrain(levels=4, columns=2, border=2.0, shares=(TileShare("flat", 1.0),))


def mdp(config: Curriculum) -> Mdp:
    task = Task(BIPED, terrain=GROUND, curriculum=config, observations=Observations(heights=None))
    return prepare(task, build(GROUND), xp)


def walked(made: Mdp, level: int, offset: list[tuple[float, float]], asked: float | list[float] = 0.0) -> Episodes:
    """Robots of one level that ended at ``offset`` m from their tile's center, where they also began."""
    count = len(offset)
    episodes = initial(made, FakeSimulator(xp, count), seed=3, split=0).episodes
    center = made.tile_centers[level, episodes.column]
    position = center + np.array([(x, y, 0.5) for x, y in offset], dtype=np.float32)
    return dataclasses.replace(
        episodes,
        level=np.full(count, level, dtype=np.int32),
        step=np.full(count, 1000, dtype=np.int32),
        start_position=center[:, :2],
        commanded_distance=np.broadcast_to(np.float32(asked), (count,)).astype(np.float32),
        readout=dataclasses.replace(episodes.readout, base_position=position.astype(np.float32)),
    )


def test_border_promotes_only_who_left_the_tile() -> None:
    made = mdp(Curriculum())
    offsets = [(4.1, 0), (0, -4.1), (-4.1, 2), (3.9, 3.9), (0, 0)]
    assert curriculum.next_level(made, walked(made, 1, offsets)).tolist() == [2, 2, 2, 1, 1]


def test_radius_promotes_by_distance() -> None:
    made = mdp(Curriculum(promote="radius"))
    assert curriculum.next_level(made, walked(made, 1, [(3, 3), (2.7, 2.7), (3.9, 0)])).tolist() == [2, 1, 1]


def test_demotes_who_moved_less_than_half_of_what_was_asked() -> None:
    made = mdp(Curriculum())
    episodes = walked(made, 2, [(1, 0), (1, 0), (1, 0), (0, 0)], asked=[1.9, 2.1, 0.0, 0.0])
    assert curriculum.next_level(made, episodes).tolist() == [2, 1, 2, 2]


def test_a_robot_that_left_its_tile_is_never_demoted() -> None:
    made = mdp(Curriculum())
    assert curriculum.next_level(made, walked(made, 1, [(4.1, 0)], asked=20.0)).tolist() == [2]


def test_last_command_times_the_full_episode_judges_a_robot_that_fell_at_once() -> None:
    made = mdp(Curriculum(demote="last_command", promote="radius"))
    episodes = walked(made, 2, [(0.1, 0), (0.1, 0)])
    command = np.array([[0.5, 0, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    assert curriculum.next_level(made, dataclasses.replace(episodes, command=command)).tolist() == [1, 2]


def test_the_first_level_is_the_floor() -> None:
    made = mdp(Curriculum())
    assert curriculum.next_level(made, walked(made, 0, [(0, 0)], asked=10.0)).tolist() == [0]


def test_beyond_the_last_level_comes_a_random_one() -> None:
    made = mdp(Curriculum())
    episodes = walked(made, 3, [(5, 0)] * 400)
    levels = curriculum.next_level(made, episodes)
    assert set(levels.tolist()) == {0, 1, 2, 3}
    assert np.bincount(levels).min() > 60
    draws = rng.uniform(episodes.key, episodes.number, episodes.step, rng.Purpose.LEVEL, 1)[:, 0]
    assert levels.tolist() == (draws * 4).astype(int).tolist()


@pytest.mark.parametrize("highest", [0, 2])
def test_first_levels_are_drawn_up_to_the_initial_level(highest: int) -> None:
    made = mdp(Curriculum(initial_level=highest))
    levels = initial(made, FakeSimulator(xp, 300), seed=0, split=0).episodes.level
    assert set(levels.tolist()) == set(range(highest + 1))


def test_without_a_curriculum_robots_fill_the_grid_and_stay() -> None:
    made = mdp(Curriculum(enabled=False))
    simulator = FakeSimulator(xp, 10)
    state = initial(made, simulator, seed=0, split=0)
    assert state.episodes.column.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert state.episodes.level.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0]
    again = reset(made, simulator, state, np.ones(10, dtype=bool)).episodes
    assert again.level.tolist() == state.episodes.level.tolist()


def test_a_new_episode_begins_on_the_new_tile() -> None:
    made = mdp(Curriculum())
    simulator = FakeSimulator(xp, 1)
    state = initial(made, simulator, seed=0, split=0)
    moved = dataclasses.replace(state, episodes=walked(made, 1, [(4.5, 0)]))
    after = reset(made, simulator, moved, np.array([True])).episodes
    assert after.level.tolist() == [2]
    offset = after.readout.base_position[0, :2] - made.tile_centers[2, 0, :2]
    assert np.abs(offset).max() <= 1.0
    assert after.start_position.tolist() == after.readout.base_position[:, :2].tolist()
