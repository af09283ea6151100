"""The panels of the suite are frozen, and what they measure cannot leak into training."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

import locoenvs
from fake import BIPED
from locoenvs.envs.registration import task
from locoenvs.evidence.metrics import tiles_of
from locoenvs.evidence.panel import (
    PANELS,
    Panel,
    changed,
    judge_while_training,
    load_panel,
    panel_for,
    panel_of,
    validation_of,
)
from locoenvs.mdp.curriculum import first_level
from locoenvs.mdp.mdp import prepare
from locoenvs.mdp.terrain import HeightMap, build, ground_height
from locoenvs.numerics import rng
from locoenvs.tasks import recipes
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Curriculum, PenaltySchedule

HASHES = {
    "flat": "23bfe5f3ccdd",
    "rough": "fc43c8faa9c2",
    "crossing": "66e141b17e3d",
    "rough2": "b32078beed9f",
    "beyond": "8719e7690d38",
    "classes": "c11b4fa3482d",
    "disturb": "8a0b77bc8546",
    "disturb2": "689f01e47150",
    "disturb_rough": "ae7ea669fb8d",
}
"""A panel is never edited: one that measures something else gets another name."""


@pytest.mark.parametrize("name", PANELS)
def test_panels_are_frozen(name: str) -> None:
    assert load_panel(name).hash == HASHES[name]


@pytest.mark.parametrize("name", PANELS)
def test_a_manifest_holds_what_the_code_builds(name: str) -> None:
    assert load_panel(name) == panel_for(PANELS[name], name=name), (
        "the robot or the recipe changed: freeze a new panel under a new name by python -m locoenvs.evidence.panel locoenvs/evidence/panels"
    )


@pytest.mark.parametrize("name", PANELS)
def test_validation_shares_neither_streams_nor_ground_with_training_or_panels(name: str) -> None:
    made = task(PANELS[name], actuator="pd")
    on_a_plane = made.terrain.kind == "plane"
    held_out, validation = load_panel("flat" if on_a_plane else "rough"), validation_of(made)
    assert validation.name == f"{held_out.name}-validation" and validation.hash != held_out.hash
    assert len({rng.SPLITS[split] for split in ("train", held_out.split, validation.split)}) == 3
    seeds = [each.terrain.seed for each in (made, held_out.task, load_panel("crossing").task, validation.task)]
    assert on_a_plane or seeds[-1] not in seeds[:-1]
    terrain = dataclasses.replace(validation.task.terrain, seed=held_out.task.terrain.seed)
    assert dataclasses.replace(validation.task, terrain=terrain) == held_out.task, "the rest is what the panel asks"
    assert Panel.from_json(validation.to_json()) == validation


def test_kinds_of_tile_that_the_panel_lacks_are_validated() -> None:
    rough = task("Loco/AnymalC-Rough-v0", actuator="pd")
    suite = validation_of(rough)
    shares = (TileShare("flat", 0.5), TileShare("gaps", 0.5, parameters={"width": (0.1, 0.3)}))
    own = dataclasses.replace(rough, terrain=dataclasses.replace(rough.terrain, shares=shares))
    panel = validation_of(own)
    assert panel.name == "AnymalC-rough-1-own-ground-validation" and panel.task.terrain.shares == own.terrain.shares
    assert set(build(panel.task.terrain).kinds) == {"flat", "gaps"} and panel.num_robots == suite.num_robots
    assert panel.task.terrain.seed == suite.task.terrain.seed and panel.split == "validation"
    light = judge_while_training(own)
    found = tiles_of(light.task.terrain, light.strata[0].quantity)
    assert list(found) == ["flat", "gaps"], "each kind is told"
    fewer = dataclasses.replace(rough, terrain=dataclasses.replace(rough.terrain, shares=(TileShare("flat", 1.0),)))
    assert validation_of(fewer) == suite, "a part of the suite's kinds is judged on all of them"


def test_a_panel_survives_json_and_refuses_edits() -> None:
    panel = load_panel("flat")
    assert Panel.from_json(panel.to_json()) == panel
    document = json.loads(panel.to_json())
    document["panel"]["task"]["commands"]["forward"] = [-0.5, 0.5]
    with pytest.raises(ValueError, match="'AnymalC-flat-1' was changed"):
        Panel.from_json(json.dumps(document))
    with pytest.raises(ValueError, match="not a panel's manifest"):
        Panel.from_json(panel.task.to_json())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hash": None}, "hash: Input should be a valid string, got None"),
        ({"hash": "x"}, "hash: String should match"),
        ({"panel": {}}, "panel.name: Field required .and 5 more."),
        ({"panel": 3}, "panel: Input should be"),
        (
            {"format": ["locoenvs.panel"]},
            "is not a panel's manifest: its format is .'locoenvs.panel'., not 'locoenvs.panel'",
        ),
        ({"more": 1}, "more: of a newer locoenvs, or unknown field 'more'"),
    ],
)
def test_a_wrong_field_of_a_manifest_is_named(change: dict[str, object], message: str) -> None:
    document = {**json.loads(load_panel("flat").to_json()), **change}
    with pytest.raises(ValueError, match=message) as refused:
        Panel.from_json(json.dumps(document), "mine.json")
    assert str(refused.value).startswith("mine.json") and "\n" not in str(refused.value)


def test_every_field_of_a_manifest_must_be_there_and_no_panel_is_beyond_measure() -> None:
    document = json.loads(load_panel("flat").to_json())
    for field in document:
        with pytest.raises(ValueError, match=f"mine.json.*{field}"):
            Panel.from_json(json.dumps({name: document[name] for name in document if name != field}), "mine.json")
    for field, value in (("num_robots", 10**9), ("num_robots", "256"), ("seed", -1), ("split", "train")):
        changed = {**document, "panel": {**document["panel"], field: value}}
        with pytest.raises(ValueError, match=f"mine.json: panel.{field}: Input should be .*, got {value!r}"):
            Panel.from_json(json.dumps(changed), "mine.json")
    for text in ("", "[]", "[" * 10000, '{"format": NaN}'):
        with pytest.raises(ValueError, match="mine.json is no"):
            Panel.from_json(text, "mine.json")


def test_unknown_panels_are_named_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'rough'"):
        load_panel("rouhg")
    with pytest.raises(ValueError, match="did you mean 'Loco/AnymalC-Flat-v0'"):
        panel_for("Loco/AnymalC-Flt-v0")


def test_a_panel_does_not_change_while_it_runs() -> None:
    panel = load_panel("rough")
    moving = dataclasses.replace(panel.task, curriculum=Curriculum())
    with pytest.raises(ValueError, match="no curriculum"):
        dataclasses.replace(panel, task=moving)


@pytest.mark.parametrize(("name", "each"), [("rough", 2), ("crossing", 20)])
def test_panels_of_tiles_have_as_many_robots_on_every_tile(name: str, each: int) -> None:
    panel = load_panel(name)
    ground = build(panel.task.terrain)
    mdp = prepare(panel.task, ground, xp)
    robot = np.arange(panel.num_robots, dtype=np.int32)
    level, column = first_level(mdp, robot, robot), robot % panel.task.terrain.columns
    tiles, counts = np.unique(np.stack([level, column]), axis=1, return_counts=True)
    assert tiles.shape == (2, 200) and (counts == each).all()


def test_the_crossing_panel_has_eighty_robots_on_each_level_of_each_kind() -> None:
    panel = load_panel("crossing")
    kinds = Counter(build(panel.task.terrain).kinds)
    assert dict(kinds) == dict.fromkeys(("slope_up", "slope_down", "obstacles", "stairs_up", "stairs_down"), 4)
    slowest = panel.task.terrain.tile / 2 / panel.task.commands.forward[0]
    assert panel.task.timing.episode_length > 1.5 * slowest, "there is time to cross"


@pytest.mark.parametrize("name", ["rough", "crossing"])
def test_no_robot_of_a_panel_can_walk_off_the_map(name: str) -> None:
    task = load_panel(name).task
    fastest = math.hypot(task.commands.forward[1], task.commands.sideways[1])
    reach = fastest * task.timing.episode_length + task.randomization.start.position
    assert reach < task.terrain.tile / 2 + task.terrain.border


@pytest.mark.parametrize("name", PANELS)
def test_no_robot_in_training_has_a_stream_of_a_panel(name: str) -> None:
    panel = load_panel(name)
    robots, families = np.arange(4096, dtype=np.int32), panel.task.seed_families
    held_out = rng.robot_key(panel.seed, rng.SPLITS[panel.split], robots[: panel.num_robots], families)
    for seed in (panel.seed, 1, 2):
        assert not np.isin(held_out, rng.robot_key(seed, rng.SPLITS["train"], robots, families)).any()


@pytest.mark.parametrize("name", ["rough", "crossing"])
def test_the_ground_of_a_panel_is_held_out(name: str) -> None:
    panel, trained = build(load_panel(name).task.terrain), build(task(PANELS[name]).terrain)
    for kind in {"rough", "obstacles"} & set(panel.kinds):
        there, here = (tile(ground, 9, ground.kinds.index(kind)) for ground in (panel, trained))
        assert np.abs(there - here).max() > 0.1


def shares(name: str) -> dict[str, dict[str, Any]]:
    return {share.kind: dict(share.parameters) for share in load_panel(name).task.terrain.shares}


def test_the_new_panels_are_what_no_training_has() -> None:
    trained = task(PANELS["rough2"]).terrain
    kinds = {share.kind for share in trained.shares}
    assert not kinds & set(shares("classes")) and len(shares("classes")) == 7
    again, there = shares("rough2"), load_panel("rough2").task.terrain
    assert there.seed != trained.seed and there.platform != trained.platform
    assert {kind: again[kind]["tread"] for kind in ("stairs_up", "stairs_down")} == {
        "stairs_up": 0.4,
        "stairs_down": 0.4,
    }
    assert {"turned_stairs_up", "turned_stairs_down"} == set(again) - kinds
    hardest = {kind: next(iter(ends.values()))[1] for kind, ends in shares("beyond").items()}
    slope = math.tan(math.radians(35))
    assert hardest == pytest.approx(
        {"slope_up": slope, "slope_down": slope, "obstacles": 0.3, "stairs_up": 0.25, "stairs_down": 0.25}
    )
    usual = {share.kind: share.parameters for share in trained.shares}
    for kind, ends in shares("beyond").items():
        size, (easiest, _) = next(iter(ends.items()))
        assert easiest > usual[kind][size][1], kind


def test_disturb_has_all_that_may_go_wrong_at_once() -> None:
    for name, drift in (("disturb", set()), ("disturb_rough", {"height_drift", "height_dropout", "height_offset"})):
        panel, usual = load_panel(name), load_panel(name.replace("disturb_", "").replace("disturb", "flat"))
        drawn = panel.task.randomization
        assert (drawn.friction[0], drawn.pushes and drawn.pushes.speed) == (0.2, (0.5, 2.0))
        terms = {word: dict(entry.parameters) for word, entry in drawn.terms.items()}
        assert terms["action_delay"]["delay"] == (0.0, 0.04) and terms["weak_motor"]["factor"] == (0.4, 1.0)
        assert drift <= set(terms)
        noises = [[slot.noise for slot in each.task.observations.slots if slot.noise] for each in (panel, usual)]
        assert noises[0] == [2 * noise for noise in noises[1]]


def tile(ground: HeightMap, level: int, column: int) -> np.ndarray:
    x, y, _ = ground.tile_centers[level, column]
    side = np.arange(-3.9, 4.0, 0.1, dtype=np.float32)
    return ground_height(ground.heights, ground.origin, ground.cell, *np.meshgrid(x + side, y + side))


@pytest.mark.parametrize(
    ("name", "first", "sizes"),
    [
        ("rough", [0.7254, -0.0394, 0.0, 0.0583], {8: 0.01636, 12: 0.04349, 16: 0.51962}),
        ("crossing", [0.7254, -0.2, 0.0, -0.2333], {0: 0.32534, 8: 0.04862, 16: 0.51962}),
    ],
)
def test_the_ground_of_a_panel_never_changes(name: str, first: list[float], sizes: dict[int, float]) -> None:
    """Some of its heights, and the mean size of those of the tile of level 5 of some columns, m: a panel's hash is of what
    was asked for, not of the code that builds it."""
    heights = build(load_panel(name).task.terrain).heights
    assert heights.shape == (2001, 1201)
    found = [heights[place] for place in ((700, 800), (900, 950), (1000, 620), (1234, 567))]
    np.testing.assert_allclose(found, first, atol=1e-4)
    for column, size in sizes.items():
        tile = heights[200 + 80 * column : 281 + 80 * column, 600:681]
        assert np.abs(tile).mean() == pytest.approx(size, abs=2e-5)


def test_a_panel_has_no_schedule_that_changes_what_a_reward_is() -> None:
    panel = load_panel("flat")
    rewards = dataclasses.replace(panel.task.rewards, penalty_schedule=PenaltySchedule(start=0.5, control_steps=10))
    with pytest.raises(ValueError, match="no curriculum, no schedule"):
        dataclasses.replace(panel, task=dataclasses.replace(panel.task, rewards=rewards))


@pytest.mark.parametrize("ground", ["flat", "rough"])
def test_a_robot_of_ones_own_has_the_panel_of_the_papers_task(ground: str) -> None:
    own = dataclasses.replace(BIPED, name="own")
    panel = panel_of(recipes.task(own, ground, actuator="pd"))  # type: ignore[arg-type]
    assert (panel.name, panel.task.robot.name, panel.split) == (f"own-{ground}-1", "own", "panel")
    assert panel.task.commands == load_panel(ground).task.commands
    with pytest.raises(ValueError, match="it has the one actuator of its task"):
        panel_of(recipes.task(own, ground, actuator="pd"), actuator="lstm")  # type: ignore[arg-type]


def test_a_panel_is_seen_as_the_policy_sees() -> None:
    """With the panel's noise where it has the same slot."""
    flat = locoenvs.task("Loco/AnymalC-Flat-v0", actuator="pd")
    assert panel_of(flat) == load_panel("flat")
    other = flat.with_({"observations.slots.joint_velocity": {"scale": 0.1, "noise": 0.0}})
    other = other.with_({"observations.slots.base_linear_velocity": None})
    panel = panel_of(other)
    slots = {slot.name: slot for slot in panel.task.observations.slots}
    assert "base_linear_velocity" not in slots
    assert (slots["joint_velocity"].scale, slots["joint_velocity"].noise) == (0.1, 1.5)
    assert panel.hash != load_panel("flat").hash and panel.name.endswith("-own-view")


def test_a_panel_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    flat = locoenvs.task("Loco/AnymalC-Flat-v0", actuator="pd")
    mine = dataclasses.replace(load_panel("flat"), name="mine", num_robots=8)
    file = tmp_path / "mine.json"
    file.write_text(mine.to_json())
    assert panel_of(flat, str(file)) == mine
    with pytest.raises(ValueError, match=r"mine.json is for robot 'anymal_c', not 'a1'"):
        panel_of(locoenvs.task("Loco/A1-Flat-v0"), str(file))
    trained = json.loads(mine.to_json())
    trained["panel"]["split"] = "train"
    file.write_text(json.dumps(trained))
    with pytest.raises(ValueError, match="panel.split: Input should be 'panel' or 'validation', got 'train'"):
        panel_of(flat, str(file))
    with pytest.raises(FileNotFoundError, match="nowhere.json is missing"):
        panel_of(flat, str(tmp_path / "nowhere.json"))


def test_a_changed_panel_is_another_one() -> None:
    flat = load_panel("flat")
    assert changed(flat, {}) == flat
    slippery = changed(flat, {"randomization.friction": [0.2, 0.3]})
    assert slippery.name == f"{flat.name}, and 1 change" and slippery.hash != flat.hash
    walk = locoenvs.task("Loco/AnymalC-Rough-v0", "walk", "pd")
    other = changed(load_panel("rough"), {}, walk)
    assert other.name == "AnymalC-rough-1, on another task" and not other.task.curriculum.enabled
    assert other.task.rewards.penalty_schedule is None and other.strata == load_panel("rough").strata
    on_a_plane = changed(load_panel("rough"), {}, locoenvs.task("Loco/AnymalC-Flat-v0", actuator="pd"))
    assert [stratum.quantity for stratum in on_a_plane.strata] == ["friction", "since_push"]


@pytest.mark.parametrize("name", ["disturb", "disturb_rough"])
def test_disturbances_come_all_at_once_and_are_told_apart(name: str) -> None:
    panel, plain = load_panel(name), load_panel("flat" if name == "disturb" else "rough")
    told = {stratum.quantity for stratum in panel.strata}
    drawn_ones = {
        "friction",
        "payload",
        "center_of_mass",
        "weakest_motor",
        "encoder_offset",
        "gyroscope_bias",
        "gravity_bias",
    }
    assert drawn_ones | {"action_delay", "observation_delay", "push_speed", "push_direction"} <= told
    assert ({"height_drift", "height_offset"} <= told) == (name == "disturb_rough")
    doubled = [2 * slot.noise for slot in plain.task.observations.slots if slot.noise is not None]
    assert [slot.noise for slot in panel.task.observations.slots if slot.noise is not None] == doubled
    pushes, timing = panel.task.randomization.pushes, panel.task.timing
    assert pushes is not None and timing.episode_length % pushes.interval > 5, "the last seconds are not the push's"
    for stratum in panel.strata:
        for group, after in zip(stratum.groups, stratum.groups[1:]):
            assert group.high == after.low, "no gap, nothing twice"


def test_disturb2_is_disturb_told_apart_by_the_phase_of_the_gait() -> None:
    first, second = load_panel("disturb"), load_panel("disturb2")
    phase = second.strata[-1]
    assert second.task == first.task and second.num_robots == first.num_robots and second.seed == first.seed
    assert second.strata[:-1] == first.strata and phase.quantity == "push_feet"
    assert [(group.low, group.high) for group in phase.groups] == [(None, 1), (1, 3), (3, None)]


def test_a_small_panel_is_the_same_with_few_robots_for_a_few_seconds() -> None:
    rough = locoenvs.task("Loco/AnymalC-Rough-v0", actuator="pd")
    whole, few = panel_of(rough, "rough"), panel_of(rough, "rough:smoke")
    assert (few.name, few.num_robots, few.task.timing.episode_length) == ("AnymalC-rough-1-smoke", 16, 8.0)
    assert few.hash != whole.hash and (few.task.terrain, few.strata) == (whole.task.terrain, whole.strata)
    assert Panel.from_json(few.to_json()) == few
    with pytest.raises(ValueError, match="unknown panel 'rouhg'; did you mean 'rough'"):
        panel_of(rough, "rouhg:smoke")
