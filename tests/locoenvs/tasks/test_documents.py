"""Documents from anywhere are read within bounds, and refused in one short line that names file and field."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from fake import BIPED
from locoenvs.tasks import documents
from locoenvs.tasks.robot import CONFIG
from locoenvs.tasks.task import Task


@dataclass(frozen=True, config=CONFIG)
class Inner:
    sizes: tuple[int, ...]
    ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.ratio < 0:
            raise ValueError("ratio must\nnot be negative")
        round(1e300 / self.ratio)


@dataclass(frozen=True, config=CONFIG)
class Outer:
    inner: Inner
    name: documents.Name


ADAPTER: TypeAdapter[Outer] = TypeAdapter(Outer)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a"}, "x.json: inner: Field required"),
        (
            {"name": "a", "inner": {"sizes": [1, "2"]}},
            "x.json: inner.sizes.1: Input should be a valid integer, got '2'",
        ),
        (
            {"name": 3, "inner": {"sizes": True}},
            "x.json: inner.sizes: Input should be a valid .*, got True .and 1 more.",
        ),
        ({"name": "a", "inner": {"sizes": []}, "b\nc": 1}, r"x.json: 'b\\nc': of a newer locoenvs, or unknown field"),
        (
            {"name": "a", "inner": {"sizes": [], "raito": 1}},
            "^x.json: inner.raito: of a newer locoenvs, or unknown field 'raito'; did you mean 'ratio'[?] There are: ratio, sizes$",
        ),
        ({"name": "a", "inner": {"sizes": []}, "x" * 10**6: 1}, "^.{0,310}$"),
        ({"name": "a", "inner": {"sizes": [], "ratio": -1}}, "x.json: inner: ratio must not be negative$"),
        (
            {"name": "a", "inner": {"sizes": [], "ratio": 1e-300}},
            "x.json has numbers beyond all measure: cannot convert",
        ),
        ({"name": "a", "inner": {"sizes": [], "ratio": 0}}, "x.json has numbers beyond all measure: float division"),
        (
            {"name": "a" * 1000, "inner": {"sizes": []}},
            "x.json: name: String should have at most 200 .*, got 'a+[.]+a+'$",
        ),
    ],
)
def test_the_first_wrong_field_is_named_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        documents.valid(ADAPTER, values, "x.json")
    assert "\n" not in str(refused.value)


def test_what_is_valid_is_made() -> None:
    assert documents.valid(ADAPTER, {"name": "a", "inner": {"sizes": [1, 2]}}, "x") == Outer(Inner((1, 2)), "a")


def test_only_files_of_a_sane_size_are_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is missing"):
        documents.read(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(FileNotFoundError, match="is not a file"):
            documents.read(path)
    (tmp_path / "some").write_bytes(b"12345")
    assert documents.read(tmp_path / "some", 5) == b"12345"
    with pytest.raises(ValueError, match="some is larger than 4 bytes"):
        documents.read(tmp_path / "some", 4)


def test_differences_name_the_field_and_both_sides() -> None:
    expected = {"a": {"b": [1, 2.0]}, "meaning": "words", "c": None}
    same = {"a": {"b": [1.0, 2]}, "meaning": "other words", "c": None}
    assert not list(documents.differences(same, expected, prose=("meaning",)))
    found = {"a": {"b": [True, 2]}, "meaning": 3, "more": {}}
    assert list(documents.differences(found, expected, prose=("meaning",))) == [
        ("a.b.0", "True", "1"),
        ("meaning", "3", "'words'"),
        ("c", "missing", "None"),
        ("more", "{}", "unknown"),
    ]
    assert list(documents.differences([1], [1, 2], "x")) == [("x", "[1]", "[1, 2]")]
    assert len(documents.shown({str(number): "x" * 1000 for number in range(100)})) < 250


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action_clip": 0}, "mine.json: action_clip: Input should be greater than 0, got 0$"),
        ({"action_clip": "1"}, "mine.json: action_clip: Input should be a valid number, got '1'$"),
        ({"robot": {"name": "a"}}, r"mine.json: robot.bodies: Field required \(and 6 more\)$"),
        ({"actuator": {"kind": "lstm"}}, r"mine.json: actuator.lstm.network: Field required \(and 1 more\)$"),
        (
            {"more": 1},
            "mine.json: more: of a newer locoenvs, or unknown field 'more'[.] There are: action_clip, .*timing$",
        ),
        ({"terrain": {"cell": 1e-320}}, "mine.json.*(beyond all measure|cell)"),
        ({"curriculum": {"initial_level": 10}}, "mine.json: .*initial_level"),
    ],
)
def test_the_first_wrong_field_of_a_task_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        Task.from_json(json.dumps({**json.loads(Task(BIPED).to_json()), **changes}), "mine.json")
    assert "\n" not in str(refused.value)


@dataclass(frozen=True, config=CONFIG)
class Newer:
    name: str
    inner: Inner = documents.later(Inner((1,)))
    size: float = documents.later(0.0)


def test_a_later_field_is_stored_where_it_says_something() -> None:
    assert documents.stored(Newer("a")) == {"name": "a"}
    assert documents.stored({"all": (Newer("a", size=2.0),)}) == {"all": [{"name": "a", "size": 2.0}]}
    assert documents.stored(Newer("a", Inner((2,)))) == {"name": "a", "inner": {"sizes": [2], "ratio": 1.0}}
    assert documents.valid(TypeAdapter(Newer), {"name": "a"}, "x.json") == Newer("a")


def test_a_digest_is_of_what_is_stored_in_any_order() -> None:
    assert documents.digest({"a": 1, "b": [1.0]}) == documents.digest({"b": [1.0], "a": 1})
    assert len({documents.digest({"a": value}) for value in (1, 1.0, True, "1", [1])}) == 5
