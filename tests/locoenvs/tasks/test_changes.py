"""A task with other values: any field by its name, and a name that is none is told with the nearest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from fake import BIPED
from locoenvs.envs.registration import task as task_of
from locoenvs.mdp.rewards import Step
from locoenvs.mdp.tiles import Tile
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.entries import Entry, SlotSpec, Term, TileShare
from locoenvs.tasks.robot import Positive
from locoenvs.tasks.task import HeightScan, Observations, PenaltySchedule, Pushes, Task, Timing
from locoenvs.tasks.vocabulary import REWARD_TERMS, TILE_KINDS, reward_term, tile_kind

PAPER = Task(BIPED)
PACKAGE = __name__.partition(".")[0]


@pytest.fixture
def own_words() -> Iterator[None]:
    @reward_term()
    def foot_clearance(s: Step, target: Positive = 0.08, share: float = 0.5) -> Array:
        """How far feet in the air are below ``target`` m."""
        return s.air_time

    @tile_kind()
    def moats(tile: Tile, width: Positive = 0.2) -> Array:
        """Flat ground with gaps ``width`` m wide."""
        return tile.edge * 0.0

    yield
    REWARD_TERMS.remove("foot_clearance")
    TILE_KINDS.remove("moats")


def changed(path: str, value: Any) -> Task:
    return PAPER.with_({path: value})


def test_any_field_can_be_changed_and_nothing_else_is() -> None:
    expected = {
        "action_clip": dataclasses.replace(PAPER, action_clip=3.0),
        "timing.decimation": dataclasses.replace(PAPER, timing=Timing(decimation=3)),
        "timing": dataclasses.replace(PAPER, timing=Timing(episode_length=3.0)),
        "robot.action_scale": dataclasses.replace(PAPER, robot=dataclasses.replace(BIPED, action_scale=3.0)),
        "randomization.pushes.mode": dataclasses.replace(
            PAPER, randomization=dataclasses.replace(PAPER.randomization, pushes=Pushes(mode="set"))
        ),
        "randomization.pushes": dataclasses.replace(
            PAPER, randomization=dataclasses.replace(PAPER.randomization, pushes=None)
        ),
    }
    values = [3.0, 3, Timing(episode_length=3.0), 3.0, "set", None]
    for (path, task), value in zip(expected.items(), values, strict=True):
        assert PAPER.with_({path: value}, "paper") == task, path
    both = PAPER.with_({"timing.decimation": 3, "action_clip": 3.0}, "paper")
    assert both == dataclasses.replace(expected["action_clip"], timing=Timing(decimation=3))
    assert PAPER == Task(BIPED), "the task itself stays what it was"


def test_values_are_those_of_json_or_of_python() -> None:
    """A pair as a list or as a tuple, an entry as an object or as what it is."""
    assert changed("commands.forward", [0, 1]) == changed("commands.forward", (0.0, 1.0))
    schedule = PenaltySchedule(0.1, 100)
    as_json = {"start": 0.1, "control_steps": 100}
    assert changed("rewards.penalty_schedule", as_json) == changed("rewards.penalty_schedule", schedule)
    assert changed("rewards.terms.action_rate", {"weight": -0.1}) == changed("rewards.terms.action_rate", Term(-0.1))
    slot = {"scale": 2.0, "noise": None}
    assert changed("observations.slots.last_action", slot) == changed(
        "observations.slots.last_action", SlotSpec("last_action", 2.0, None)
    )


def test_a_later_change_sees_an_earlier_one() -> None:
    changes = {"rewards.penalty_schedule": PenaltySchedule(0.1, 100), "rewards.penalty_schedule.start": 0.2}
    assert PAPER.with_(changes).rewards.penalty_schedule == PenaltySchedule(0.2, 100)
    with pytest.raises(
        ValueError, match="^rewards.penalty_schedule.start: rewards.penalty_schedule is not there: set all"
    ):
        changed("rewards.penalty_schedule.start", 0.2)


def test_entries_are_changed_by_their_names() -> None:
    weight = changed("rewards.terms.collisions.weight", -3.0).rewards.terms
    assert weight["collisions"] == dataclasses.replace(PAPER.rewards.terms["collisions"], weight=-3.0)
    assert list(weight) == list(PAPER.rewards.terms)
    force = changed("rewards.terms.collisions.parameters.force", 2.0).rewards.terms["collisions"]
    assert (force.weight, force.parameters) == (-1.0, {"force": 2.0, "stumble_ratio": 5.0})
    assert changed("terminations.base_contact.parameters.force", 2.0).terminations["base_contact"].parameters == {
        "force": 2.0
    }


def test_entries_of_a_list_are_changed_by_their_names() -> None:
    task = PAPER.with_(
        {
            "observations.slots.heights.noise": 0.3,
            "observations.slots.heights.parameters.rows": 5,
            "terrain.shares.stairs_up.parameters.riser": [0.1, 0.3],
            "terrain.shares.flat.share": 0.1,
            "terrain.shares.stairs_up.share": 0.2,
        }
    )
    assert [slot.name for slot in task.observations.slots] == [slot.name for slot in PAPER.observations.slots]
    heights = task.observations.slots[-1]
    assert (heights.scale, heights.noise, heights.parameters["rows"], heights.parameters["columns"]) == (5.0, 0.3, 5, 9)
    assert task.observations.slots[:-1] == PAPER.observations.slots[:-1]
    shares = {share.kind: share for share in task.terrain.shares}
    assert (shares["flat"].share, shares["stairs_up"].share) == (0.1, 0.2)
    assert shares["stairs_up"].parameters == {"riser": (0.1, 0.3), "tread": 0.3}
    assert shares["stairs_down"].parameters == {"riser": (0.05, 0.2), "tread": 0.3}


def test_parameters_that_are_set_as_a_whole_leave_the_others_at_their_defaults() -> None:
    once = changed("observations.slots.heights.parameters.rows", 5)
    assert once.with_({"observations.slots.heights.parameters": {"columns": 3}}).observations.heights == HeightScan(
        columns=3
    )


def test_an_entry_that_is_not_there_is_put_in(own_words: None) -> None:
    """By its weight, with its parameters, or as a whole; at its place among the others, or at the end of a list."""
    expected = Term(-0.5, parameters={"target": 0.1, "share": 0.5}, package=PACKAGE, version=1)
    by_fields = {
        "rewards.terms.foot_clearance.weight": -0.5,
        "rewards.terms.foot_clearance.parameters.target": 0.1,
    }
    for changes in (
        by_fields,
        dict(reversed(by_fields.items())),
        {"rewards.terms.foot_clearance": {"weight": -0.5, "parameters": {"target": 0.1}}},
        {"rewards.terms.foot_clearance": Term(-0.5, parameters={"target": 0.1})},
    ):
        task = PAPER.with_(changes)
        assert task.rewards.terms["foot_clearance"] == expected
        assert list(task.rewards.terms) == [*PAPER.rewards.terms, "foot_clearance"]
        assert not task.missing() and Task.from_json(task.to_json()) == task
    others = {"terrain.shares.flat.share": 0.1}
    for value in ({"share": 0.1, "parameters": {"width": 0.3}}, TileShare("moats", 0.1, parameters={"width": 0.3})):
        moats = PAPER.with_({"terrain.shares.moats": value, **others}).terrain.shares[-1]
        assert moats == TileShare("moats", 0.1, parameters={"width": 0.3}, package=PACKAGE, version=1)
    by_fields = {"terrain.shares.moats.share": 0.1, "terrain.shares.moats.parameters.width": 0.3}
    assert PAPER.with_({**by_fields, **others}).terrain.shares[-1] == moats


def test_an_entry_of_the_suite_comes_back_to_its_place() -> None:
    blind = PAPER.with_({"observations.slots.heights": None, "rewards.terms.action_rate": None})
    assert blind.observations.heights is None and "action_rate" not in blind.rewards.terms
    again = blind.with_({"rewards.terms.action_rate.weight": -0.01, "observations.slots.heights.scale": 5.0})
    assert list(again.rewards.terms) == list(PAPER.rewards.terms)
    heights = dataclasses.replace(PAPER.observations.slots[-1], noise=0.0)
    assert again.observations.slots == (*PAPER.observations.slots[:-1], heights)


def test_an_entry_is_taken_out_by_none() -> None:
    changes = {
        "rewards.terms.joint_motion": None,
        "observations.slots.heights": None,
        "terrain.shares.rough": None,
        "terrain.shares.flat.share": 0.4,
        "terminations.base_contact": None,
    }
    task = PAPER.with_(changes, "paper")
    assert list(task.rewards.terms) == [name for name in PAPER.rewards.terms if name != "joint_motion"]
    assert task.observations == dataclasses.replace(PAPER.observations, slots=PAPER.observations.slots[:-1])
    assert [share.kind for share in task.terrain.shares] == [
        share.kind for share in PAPER.terrain.shares if share.kind != "rough"
    ]
    assert task.terminations == {}


def test_what_another_package_named_is_changed_and_taken_out_without_it() -> None:
    task = dataclasses.replace(PAPER, terminations={"fallen": Entry(parameters={"angle": 1.0}, package="others")})
    assert task.with_({"terminations.fallen.parameters.angle": 2.0}).terminations["fallen"].parameters == {"angle": 2.0}
    assert task.with_({"terminations.fallen": None}).terminations == {}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("reward.clip_at_zero", "unknown field of a task 'reward'; did you mean 'rewards'[?] There are: action_clip, "),
        ("action_clp", "unknown field of a task 'action_clp'; did you mean 'action_clip'"),
        ("rewards.clip_zero", "unknown field of rewards 'clip_zero'; did you mean 'clip_at_zero'"),
        ("rewards.terms.action_rat.weight", "unknown reward term 'action_rat'; did you mean 'action_rate'"),
        ("rewards.terms.action_rat", "unknown reward term 'action_rat'; did you mean 'action_rate'"),
        ("rewards.terms.action_rate.wieght", "unknown field of rewards.terms.action_rate 'wieght'; did you mean 'weight'"),
        ("observations.slots.height.noise", "unknown observation slot 'height'; did you mean 'heights'"),
        ("observations.slots.heights.nois", "unknown field of observations.slots.heights 'nois'; did you mean 'noise'"),
        ("terrain.shares.stair_up.share", "unknown kind of tile 'stair_up'; did you mean 'stairs_up'"),
        ("terminations.base_contct", "unknown termination 'base_contct'; did you mean 'base_contact'"),
        ("timing.physics_dt.seconds", "timing.physics_dt is 0.005, which has no fields"),
        ("robot.bodies.base.mass", "robot.bodies is .*, which has no fields"),
        ("", "unknown field of a task ''"),
        ("timing.", "unknown field of timing ''"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_told_with_the_nearest(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{path}: {message}"):
        changed(path, 1.0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("rewards.terms.collisions.parameters.forc", "rewards.terms.collisions: unknown parameter .*'forc'; did you mean 'force'"),
        ("rewards.terms.action_rate.parameters.force", "rewards.terms.action_rate: unknown parameter .*'force': there are none"),
        ("terrain.shares.stairs_up.parameters.height", "terrain.shares.stairs_up: unknown parameter .*'height'[.] There are: riser, tread"),
    ],
)  # fmt: skip
def test_a_parameter_that_a_word_does_not_have_is_told_with_those_that_it_has(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.split(": ", 1)[1]) as refused:
        changed(path, 1.0)
    assert message.split(": ", 1)[0] in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("timing.decimation", 2.5, "timing.decimation: Input should be a valid integer, got 2.5"),
        ("timing.decimation", "4", "timing.decimation: Input should be a valid integer, got '4'"),
        ("action_clip", float("nan"), "action_clip"),
        ("action_clip", None, "action_clip: Input should be a valid number, got None"),
        ("commands.forward", 1.0, "commands.forward: Input should be a valid (array|tuple), got 1.0"),
        ("rewards.terms.action_rate.weight", "heavy", "rewards.terms.action_rate.weight: Input should be a valid number"),
        ("rewards.terms.action_rate", -0.1, "rewards.terms.action_rate: Input should be an object, got -0.1"),
        ("rewards.terms.action_rate", {"wieght": -0.1}, "rewards.terms.action_rate.(weight: Field required|wieght: Unexp)"),
        ("rewards.terms.collisions.parameters.force", -1.0, "force: Input should be greater than 0, got -1.0"),
        ("rewards.terms.collisions.parameters.force", "hard", "force: Input should be a valid number, got 'hard'"),
        ("rewards.terms", {}, "rewards.terms: at least one weight must not be zero"),
        ("observations.slots.heights", 1.0, "observations.slots.heights: Input should be an object, got 1.0"),
        ("observations.slots.heights.parameters.rows", 0, "rows: Input should be greater than or equal to 1, got 0"),
        ("terrain.shares.flat", 0.1, "terrain.shares.flat: Input should be an object, got 0.1"),
        ("terrain.shares.rough_slope_up", 0.1, "terrain.shares.*object.*0.1"),
        ("terrain.shares.rough_slope_up.share", 0.1, "terrain.shares must sum to 1, got 1.1"),
        ("terrain.shares.flat", None, "terrain.shares must sum to 1, got 0.8"),
        ("terrain.shares.rough_slope_up", None, "terrain.shares.rough_slope_up: there is no such entry"),
        ("randomization.start.joint_scale", [2, 1], "joint_scale: the lower end 2.0 must not exceed the upper end 1.0"),
        ("format_version", 1, "format_version is not changed by its name: it tells of the rest"),
        ("recipe", "mine", "recipe is not changed by its name: it tells of the rest"),
    ],
)  # fmt: skip
def test_a_value_that_a_field_cannot_have_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        changed(path, value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600


def test_the_recipe_counts_the_changes() -> None:
    assert PAPER.with_({}) == PAPER
    one = PAPER.with_({"action_clip": 3.0})
    assert (one.recipe, one.base_recipe) == ("paper, and 1 change", "paper")
    two = PAPER.with_({"action_clip": 3.0, "rewards.terms.joint_motion": None})
    assert (two.recipe, two.base_recipe) == ("paper, and 2 changes", "paper")
    assert one.with_({"action_clip": 4.0, "timing.decimation": 3}).recipe == "paper, and 3 changes"
    assert two.with_({}).recipe == two.recipe and PAPER.base_recipe == "paper"
    named = one.with_({"action_clip": 4.0}, "mine, and yours")
    assert (named.recipe, named.base_recipe) == ("mine, and yours",) * 2
    assert named.with_({"action_clip": 5.0}).recipe == "mine, and yours, and 1 change"
    assert task_of("Loco/A1-Flat-v0", "walk").with_({"action_clip": 3.0}).base_recipe == "walk"


def test_changes_survive_the_task_s_json_and_change_its_hash() -> None:
    task = PAPER.with_({"observations": Observations.paper(heights=None), "rewards.terms.orientation.weight": -1.0})
    again = Task.from_json(task.to_json())
    assert again == task and again.hash == task.hash and hash(again) == hash(task)
    assert len({PAPER.hash, task.hash, changed("action_clip", 3.0).hash}) == 3
