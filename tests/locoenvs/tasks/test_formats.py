"""What version 0.1.0 wrote is read as what it said, and keeps its hash; what it could not say has another."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fake import BIPED
from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.tasks.documents import stored
from locoenvs.tasks.entries import Entry, SlotSpec, Term, TileShare
from locoenvs.tasks.formats import NEWEST, oldest, upgraded
from locoenvs.tasks.task import PAPER_SLOTS, PAPER_TERMS, Task, hash_of

ROOT = Path(__file__).parents[3]
Document = dict[str, Any]
Change = Callable[[Document], None]


def tasks_in(path: Path) -> list[Document]:
    """The tasks of format 1 that a file of the repository holds."""
    document = json.loads(path.read_text())
    found = [each["task"] for each in (document, document.get("panel", {})) if isinstance(each.get("task"), dict)]
    return [task for task in found if "format_version" not in task]


FILES = {
    str(path.relative_to(ROOT)): path
    for pattern in ("locoenvs/evidence/panels/*.json", "**/policy.json", "**/recipe.json")
    for path in sorted(ROOT.glob(pattern))
    if path.relative_to(ROOT).parts[0] in ("locoenvs", "benchmarks", "tests") and tasks_in(path)
}
FIRST = tasks_in(ROOT / "locoenvs" / "policies" / "shipped" / "anymal_c_rough" / "policy.json")[0]
"""A whole task as version 0.1.0 wrote it."""

HASHES = {
    "Loco/A1-Flat-v0": "4cd909db44d0 683ab82b98a4 7a0506733817",
    "Loco/A1-Rough-v0": "897f5f19796f 9cef4d5202c5 ec32ea8e4ba9",
    "Loco/AnymalB-Flat-v0": "3abd9dfde500 bd5a4d673e67 7ecd8dc561cf",
    "Loco/AnymalB-Rough-v0": "f34950973f4b f2830448d0f5 1ab728fe7203",
    "Loco/AnymalC-Flat-v0": "ba9516ca6c03 20d40b69acf8 c1a94004a553",
    "Loco/AnymalC-Rough-v0": "12838be78614 7fd60f07317c b7d93eb7b6c1",
    "Loco/AnymalCArm-Flat-v0": "74d984fbcd83 1baa960e26e1 7788a8617074",
    "Loco/AnymalCArm-Rough-v0": "306dbb337db1 7d81a053182d 54e03ff7c7a4",
    "Loco/Cassie-Flat-v0": "44ab93f0cdbe 8280e3e8fa58 ddc8ee3bf156",
    "Loco/Cassie-Rough-v0": "74ad30602e8e b348364e7d03 e138213e5664",
}
"""Environment -> the hashes of its tasks by the recipes paper, legged_gym and walk, as they were in version 0.1.0."""


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, numbers to their type."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def changed(change: Change) -> Document:
    document = copy.deepcopy(FIRST)
    change(document)
    return document


def read(document: Document) -> Task:
    return Task.from_json(json.dumps(document))


def test_there_are_files_of_version_0_1_0() -> None:
    parts = [path.name for path in FILES.values()]
    assert (len(parts) >= 20) and {"policy.json", "recipe.json", "flat.json"} <= set(parts)


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_was_written_before_is_read_as_what_it_said(name: str) -> None:
    whole = json.loads(FILES[name].read_text())
    for document in tasks_in(FILES[name]):
        newest = upgraded(document)
        assert newest["format_version"] == NEWEST and "weights" not in newest["rewards"]
        assert same(oldest(newest), document)
        task = read(document)
        assert same(stored(task), newest) and read(stored(task)) == task
        assert task.hash == hash_of(document) == hash_of(newest)
        assert task.hash == whole.get("task_hash", task.hash)


@pytest.mark.parametrize("env_id", sorted(IDS))
def test_the_suites_tasks_are_called_as_before(env_id: str) -> None:
    assert [task_of(env_id, recipe).hash for recipe in ("paper", "legged_gym", "walk")] == HASHES[env_id].split()


def scales(document: Document) -> None:
    document["observations"] |= {
        "linear_velocity_scale": 1.0,
        "angular_velocity_scale": 0.5,
        "joint_position_scale": 3.0,
        "joint_velocity_scale": 0.1,
        "height_scale": 2.0,
    }


def noise(document: Document) -> None:
    document["observations"]["noise"] |= {"gravity": 0.0, "height": 0.2, "joint_velocity": 0.5}


def blind(document: Document) -> None:
    document["observations"]["heights"] = None


def perfect(document: Document) -> None:
    document["observations"]["noise"] = None


def blind_and_perfect(document: Document) -> None:
    blind(document)
    perfect(document)


def scan(document: Document) -> None:
    document["observations"]["heights"] |= {"rows": 3, "offset": 0.1}


def ground(document: Document) -> None:
    document["terrain"] |= {
        "slope": [0.1, 0.2],
        "roughness": [0.0, 0.2],
        "obstacle_height": [0.1, 0.1],
        "stairs_riser": [0.0, 0.3],
        "stairs_tread": 0.4,
    }


def rough_slopes(document: Document) -> None:
    kinds = ("rough_slope_up", "rough_slope_down", "flat", "rough_slope_up")
    document["terrain"]["shares"] = [{"kind": kind, "share": 0.25} for kind in kinds]
    document["terrain"] |= {"slope": [0.0, 0.3], "roughness": [0.02, 0.1]}


def plane(document: Document) -> None:
    document["terrain"]["kind"] = "plane"


def numbers_of_terms(document: Document) -> None:
    document["rewards"] |= {
        "tracking_width": 0.3,
        "air_time_target": 0.2,
        "air_time_minimum_command": 0.0,
        "soft_limit": 0.8,
        "collision_force": 2.0,
        "stumble_ratio": 3.0,
        "foot_contact_force": 5.0,
        "clip_at_zero": False,
    }


def weights(document: Document) -> None:
    document["rewards"]["weights"] |= {"single_foot": 1.0, "orientation": -3.0, "joint_torques": 0.0}


def schedule(document: Document) -> None:
    grown = {"start": 0.1, "control_steps": 100, "disturbances": True, "termination_last": False}
    document["rewards"]["penalty_schedule"] = grown


def force(document: Document) -> None:
    document["terminations"]["contact_force"] = 7.0


def other_parts(document: Document) -> None:
    document["timing"]["decimation"] = 8
    document["curriculum"]["initial_level"] = 3
    document["randomization"]["payload"] = [-1.0, 2.0]
    document["recipe"] = "mine"


@pytest.mark.parametrize(
    "change",
    [
        scales, noise, blind, perfect, blind_and_perfect, scan, ground, rough_slopes, plane, numbers_of_terms, weights,
        schedule, force, other_parts,
    ],
)  # fmt: skip
def test_whatever_format_1_says_is_the_same_there_and_back(change: Change) -> None:
    document = changed(change)
    task = read(document)
    assert same(oldest(stored(task)), document)
    assert task.hash == hash_of(document) != hash_of(FIRST)


def test_each_field_of_format_1_is_where_format_2_has_it() -> None:
    """Every number is another, so that none can stand for its neighbor."""
    task = read(changed(lambda document: [change(document) for change in (scales, ground, numbers_of_terms, force)]))
    slots = {slot.name: (slot.scale, slot.noise) for slot in task.observations.slots}
    assert slots == {
        "base_linear_velocity": (1.0, 0.1),
        "base_angular_velocity": (0.5, 0.2),
        "projected_gravity": (1.0, 0.05),
        "command_linear_velocity": (1.0, 0.0),
        "command_yaw_rate": (0.5, 0.0),
        "joint_position": (3.0, 0.01),
        "joint_velocity": (0.1, 1.5),
        "last_action": (1.0, 0.0),
        "heights": (2.0, 0.1),
    }
    shares = {share.kind: share.parameters for share in task.terrain.shares}
    assert shares == {
        "flat": {},
        "slope_up": {"slope": (0.1, 0.2)},
        "slope_down": {"slope": (0.1, 0.2)},
        "rough": {"roughness": (0.0, 0.2)},
        "obstacles": {"height": (0.1, 0.1)},
        "stairs_up": {"riser": (0.0, 0.3), "tread": 0.4},
        "stairs_down": {"riser": (0.0, 0.3), "tread": 0.4},
    }
    parameters = {name: term.parameters for name, term in task.rewards.terms.items() if term.parameters}
    assert parameters == {
        "linear_velocity_tracking": {"width": 0.3},
        "angular_velocity_tracking": {"width": 0.3},
        "collisions": {"force": 2.0, "stumble_ratio": 3.0},
        "feet_air_time": {"target": 0.2, "minimum_command": 0.0},
        "joint_limits": {"soft_limit": 0.8},
    }
    assert (task.rewards.foot_contact_force, task.rewards.clip_at_zero) == (5.0, False)
    assert task.terminations == {"base_contact": Entry(parameters={"force": 7.0}, version=1)}


WHOLE = Task(BIPED)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({}, {}),
        ({"rewards": {}}, {}),
        ({"rewards": {"clip_at_zero": False}}, {"rewards.clip_at_zero": False}),
        ({"rewards": {"weights": {}}}, {}),
        ({"rewards": {"weights": {"action_rate": -0.5}}}, {"rewards.terms.action_rate.weight": -0.5}),
        ({"rewards": {"soft_limit": 0.9}}, {"rewards.terms.joint_limits.parameters.soft_limit": 0.9}),
        ({"rewards": {"stumble_ratio": 2.0}}, {"rewards.terms.collisions.parameters.stumble_ratio": 2.0}),
        ({"terrain": {}}, {}),
        ({"terrain": {"levels": 3}}, {"terrain.levels": 3}),
        ({"terrain": {"stairs_tread": 0.4}}, {
            "terrain.shares.stairs_up.parameters.tread": 0.4, "terrain.shares.stairs_down.parameters.tread": 0.4,
        }),
        ({"terrain": {"shares": [{"kind": "rough", "share": 1.0}]}}, {
            "terrain.shares": (TileShare("rough", 1.0),),
        }),
        ({"observations": {}}, {}),
        ({"observations": {"clip": 5.0}}, {"observations.clip": 5.0}),
        ({"observations": {"noise": {"gravity": 0.2}}}, {"observations.slots.projected_gravity.noise": 0.2}),
        ({"observations": {"heights": {"rows": 5}}}, {"observations.slots.heights.parameters.rows": 5}),
        ({"observations": {"height_scale": 2.0}}, {"observations.slots.heights.scale": 2.0}),
        ({"observations": {"heights": None}}, {"observations.slots.heights": None}),
        ({"terminations": {}}, {}),
        ({"terminations": {"contact_force": 2.0}}, {"terminations.base_contact.parameters.force": 2.0}),
    ],
)  # fmt: skip
def test_what_a_part_of_a_document_leaves_out_is_the_papers(part: Document, expected: dict[str, Any]) -> None:
    robot = json.loads(WHOLE.to_json())["robot"]
    assert read({"robot": robot, **part}) == WHOLE.with_(expected, "paper")


@pytest.mark.parametrize(
    "changes",
    [
        {"rewards.terms.linear_velocity_tracking.parameters.width": 0.3},  # there was one width
        {"rewards.terms.orientation": None},
        {"observations.slots.last_action": None},
        {"observations.slots.last_action.noise": 0.1},
        {"observations.slots.projected_gravity.scale": 2.0},
        {"observations.slots.command_yaw_rate.scale": 1.0},
        {"observations.slots": PAPER_SLOTS[::-1]},
        {"terrain.shares.slope_up.parameters.slope": [0.0, 0.3]},
        {"terrain.shares.stairs_down.parameters.tread": 0.4},
        {"terminations": {}},
        {"observations.slots.mine": SlotSpec("mine", package="others")},
        {"rewards.terms.mine": Term(1.0, package="others")},
        {"terminations.mine": Entry(package="others")},
        {"terrain.shares": [{"kind": "mine", "share": 1.0, "package": "others"}]},
    ],
)
def test_what_format_1_cannot_say_is_hashed_as_format_2(changes: dict[str, Any]) -> None:
    document = stored(WHOLE)
    for path, value in changes.items():
        document = put(document, path.split("."), stored(value))
    task = read(document)
    assert task != WHOLE and task.hash != WHOLE.hash
    assert same(oldest(stored(task)), stored(task)) and stored(task)["format_version"] == NEWEST
    assert read(stored(task)) == task and read(stored(task)).hash == task.hash


def put(here: Any, way: list[str], value: Any) -> Any:
    """``here`` with another value there; None takes it out. A name in a list is that of an entry."""
    name, rest = way[0], way[1:]
    if isinstance(here, list):
        names = {each.get("name", each.get("kind")): each for each in here}
        return list(put(names, way, value).values())
    if not rest and value is None:
        return {key: own for key, own in here.items() if key != name}
    return {**here, name: value if not rest else put(here[name], rest, value)}


def test_going_back_and_forth_changes_nothing_that_is_given() -> None:
    newest = stored(WHOLE)
    for document, function in ((FIRST, upgraded), (FIRST, oldest), (newest, upgraded), (newest, oldest)):
        before = copy.deepcopy(document)
        assert function(document) is not document and same(document, before)
    assert same(upgraded(newest), newest) and same(oldest(FIRST), FIRST)


@pytest.mark.parametrize("version", [3, 0, -1, 10**30, "2", 2.0, True, None, [2]])
def test_a_format_to_come_is_refused(version: object) -> None:
    """Also where nothing else is as we know it."""
    for document in (stored(WHOLE), {"wholly": "other"}):
        with pytest.raises(ValueError, match="^format_version .* of mine.json, this locoenvs reads up to 2: use the "):
            Task.from_json(json.dumps({**document, "format_version": version}), "mine.json")


JUNK = (None, "x", [], [1], {"a": 1}, {"a": []}, [{"kind": []}], [{"kind": "flat"}], [[]], True)
FIELDS = (
    "rewards", "rewards.weights", "rewards.soft_limit", "rewards.tracking_width", "terrain", "terrain.shares",
    "terrain.slope", "terrain.stairs_tread", "observations", "observations.noise", "observations.heights",
    "observations.height_scale", "terminations", "terminations.contact_force",
)  # fmt: skip
PERFECT = [("observations.noise", None), ("observations.heights", None)]


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in FIELDS for value in JUNK if (field, value) not in PERFECT]
)
def test_what_no_task_of_format_1_has_is_refused_in_words(field: str, value: object) -> None:
    part, _, inner = field.partition(".")
    document = {**FIRST, part: {**FIRST[part], inner: value} if inner else value}
    with pytest.raises(ValueError, match="^the task: ") as refused:
        read(document)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600


def test_fields_of_two_formats_together_are_refused() -> None:
    """A document of format 2 without its version, or with it and a field of format 1."""
    newest = stored(WHOLE)
    unnamed = {name: value for name, value in newest.items() if name != "format_version"}
    for document in (unnamed, {**newest, "terrain": {**newest["terrain"], "slope": [0.0, 0.1]}}):
        with pytest.raises(ValueError, match="^the task: "):
            read(document)


def test_weights_of_the_paper_are_those_of_format_1() -> None:
    robot = json.loads(WHOLE.to_json())["robot"]
    old = upgraded({"robot": robot, "rewards": {}, "observations": {}, "terminations": {}})
    assert {name: term["weight"] for name, term in old["rewards"]["terms"].items()} == {
        name: term.weight for name, term in PAPER_TERMS.items()
    }
    assert [(slot["name"], slot["scale"], slot["noise"]) for slot in old["observations"]["slots"]] == [
        (slot.name, slot.scale, slot.noise) for slot in PAPER_SLOTS
    ]
