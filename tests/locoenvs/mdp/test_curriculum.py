"""Who moves a level up or down: exact arrays."""

from __future__ import annotations

import dataclasses

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.mdp import curriculum
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.step import initial, reset
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Curriculum, Observations, Task, Terrain

GROUND = Terrain(levels=4, columns=2, border=2.0, shares=(TileShare("flat", 1.0),))


def mdp(config: Curriculum) -> Mdp:
    task = Task(BIPED, terrain=GROUND, curriculum=config, observations=Observations.paper(heights=None))
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


def test_the_last_level_is_reached_and_only_beyond_it_comes_a_random_one() -> None:
    """Of four levels, 0 to 3: from level 2 up to 3, always; at 3 those that neither solve nor fail it stay."""
    made = mdp(Curriculum())
    assert curriculum.next_level(made, walked(made, 2, [(5, 0)] * 50)).tolist() == [3] * 50
    assert curriculum.next_level(made, walked(made, 3, [(0, 0)] * 50)).tolist() == [3] * 50
    assert curriculum.next_level(made, walked(made, 3, [(0, 0)] * 50, asked=1.0)).tolist() == [2] * 50


def test_the_random_level_is_another_draw_in_every_episode() -> None:
    made = mdp(Curriculum())
    episodes = walked(made, 3, [(5, 0)] * 200)
    again = dataclasses.replace(episodes, number=episodes.number + 1)
    later = dataclasses.replace(episodes, step=episodes.step + 1)
    first = curriculum.next_level(made, episodes)
    for other in (again, later):
        levels = curriculum.next_level(made, other)
        draws = rng.uniform(other.key, other.number, other.step, rng.Purpose.LEVEL, 1)[:, 0]
        assert levels.tolist() == (draws * 4).astype(int).tolist()
        assert 0.6 < np.mean(levels != first) < 0.9


def test_what_was_moved_counts_from_where_the_episode_began() -> None:
    """Not from the tile's center, which only says whether the tile was left."""
    made = mdp(Curriculum())
    episodes = walked(made, 2, [(1, 0), (1, 0)], asked=3.0)
    start = episodes.start_position + np.float32([[-1, 0], [1, 0]])
    moved = dataclasses.replace(episodes, start_position=start)
    assert curriculum.next_level(made, moved).tolist() == [2, 1]


@pytest.mark.parametrize(("fraction", "level"), [(0.2, 2), (0.8, 1)])
def test_the_fraction_that_demotes_is_the_tasks(fraction: float, level: int) -> None:
    made = mdp(Curriculum(demote_fraction=fraction))
    assert curriculum.next_level(made, walked(made, 2, [(1, 0)], asked=2.0)).tolist() == [level]
    made = mdp(Curriculum(demote_fraction=fraction, demote="last_command", promote="radius"))
    command = np.float32([[0.06, 0.08, 0, 0]])  # 0.1 m/s for 20 s: 2 m
    episodes = dataclasses.replace(walked(made, 2, [(0.6, 0.8)]), command=command)
    assert curriculum.next_level(made, episodes).tolist() == [level]


def test_the_border_is_that_of_the_tasks_tiles() -> None:
    terrain = dataclasses.replace(GROUND, tile=6.0)
    for promote in ("border", "radius"):
        task = Task(BIPED, terrain=terrain, curriculum=Curriculum(promote=promote))
        made = prepare(task, build(terrain), xp)
        levels = curriculum.next_level(made, walked(made, 1, [(3.1, 0), (2.9, 0), (0, -3.1)]))
        assert levels.tolist() == [2, 1, 2], promote
