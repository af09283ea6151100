"""What each robot did: it adds up to the metrics, survives a file, and a file that was cut is refused by name."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from locoenvs.evidence.manifest import Group, Panel, Stratum
from locoenvs.evidence.metrics import UNITS, metrics_of
from locoenvs.evidence.record import Record
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import robots_of
from locoenvs.tasks.recipes import paper
from locoenvs.tasks.robots.anymal_c import ANYMAL_C

REASONS = ("running", "time_limit", "base_contact")
COUNT, STEPS = 6, 8


def record() -> Record:
    """Six robots; robot 2 falls in step 3, robot 3 has no foot on the ground."""
    random = np.random.default_rng(0)
    alive = np.ones((STEPS, COUNT), bool)
    alive[4:, 2] = False
    fell_at = np.zeros_like(alive)
    fell_at[3, 2] = True
    names = [name for name in UNITS if name not in ("success_rate", "fall_rate", "cost_of_transport", "foot_slip")]
    series = {name: random.uniform(1, 2, alive.shape) for name in [*names, "moved", "slip", "contacts"]}
    series["contacts"][:, 3] = series["slip"][:, 3] = 0.0
    return Record(
        alive=alive,
        series=series,
        fell_at=fell_at,
        succeeded=np.array([True, True, False, False, True, False]),
        reset_reason=np.array([1, 1, 2, 1, 1, 1]),
        weight=random.uniform(400, 500, COUNT),
        level=np.array([0, 1, 0, 1, 0, 1]),
        kind=np.array(["rough", "rough", "stairs_up", "stairs_up", "flat", "flat"]),
        drawn={"friction": np.linspace(0.5, 1.0, COUNT), "payload": np.zeros(COUNT), "mass": np.full(COUNT, 50.0)},
        dt=0.02,
        observation=(np.zeros(1), np.ones(1)),
    )


def panel() -> Panel:
    task = paper(ANYMAL_C, "rough").with_(
        {"curriculum.enabled": False, "curriculum.initial_level": 0, "terrain.levels": 2}
    )
    groups = (Group("low", None, 0.7), Group("high", 0.8, None))
    speeds = Stratum("commanded_speed", (Group("any"),))
    return Panel("test", "", task, 0, COUNT, (Stratum("terrain_and_level"), Stratum("friction", groups), speeds))


def result() -> Result:
    made = record()
    return Result(
        panel="test",
        panel_hash="0" * 12,
        task_hash="0" * 12,
        policy_sha256=None,
        backend="mujoco",
        num_robots=COUNT,
        episode_seconds=1.0,
        metrics=metrics_of(made, made.alive, True),
        reset_reasons={},
        strata={},
        versions={},
        wall_seconds=1.0,
        robots=robots_of(panel(), made, REASONS),
    )


def test_robots_add_up_to_the_metrics() -> None:
    found = result()
    assert found.robots is not None
    fractions = found.robots.fractions()
    assert set(fractions) == set(found.metrics) == set(UNITS)
    for name, (above, below) in fractions.items():
        assert above.sum() / below.sum() == pytest.approx(found.metrics[name].value, rel=1e-5), name
    assert set(found.robots.denominators) == {"cost_of_transport", "foot_slip"}
    assert found.robots.denominators["foot_slip"][3] == 0.0


def test_robots_know_their_draws_groups_and_ends() -> None:
    robots = robots_of(panel(), record(), REASONS)
    assert robots.drawn == {"friction": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]}, "what is the same for all says nothing"
    assert robots.groups["friction"] == ["low", "low", "", "high", "high", "high"]
    assert robots.groups["terrain_and_level"][:3] == ["rough 0", "rough 1", "stairs_up 0"]
    assert "commanded_speed" not in robots.groups, "that is of moments"
    assert robots.fell == [False, False, True, False, False, False]
    assert robots.reset_reason[1:3] == ["time_limit", "base_contact"]
    assert robots.seconds == [0.16, 0.16, 0.08, 0.16, 0.16, 0.16]


def test_robots_survive_a_file_and_may_be_left_out() -> None:
    found = result()
    assert Result.from_json(found.to_json()) == found
    without = json.loads(found.to_json(robots=False))
    assert "robots" not in without and Result.from_json(json.dumps(without)).robots is None
    assert found.to_json().count("\n") == found.to_json(robots=False).count("\n") + 1, "they take one line"


def changed(document: dict[str, Any], path: str, value: Any) -> str:
    made = copy.deepcopy(document)
    *way, last = path.split(".")
    place = made["robots"]
    for name in way:
        place = place[name]
    place[last] = value
    return json.dumps(made)


def test_robots_that_were_cut_or_changed_are_refused_by_name() -> None:
    text = result().to_json()
    document = json.loads(text)
    five: list[Any]
    for path, five, message in (
        ("succeeded", [True] * 5, "robots.succeeded: 5 entries for 6 robots: it was cut or changed"),
        ("numerators.speed", [1.0] * 7, "robots.numerators.speed: 7 entries for 6 robots"),
        ("groups.friction", [], "robots.groups.friction: 0 entries"),
        ("numerators.speeed", [1.0] * 6, "robots.numerators: unknown 'speeed'; there are success_rate"),
        ("drawn.colour", [1.0] * 6, "robots.drawn: unknown 'colour'"),
        ("fell", [0] * 6, "robots.fell.0: Input should be a valid boolean"),
        ("numerators.speed", ["1"] * 6, "robots.numerators.speed.0: Input should be a valid number, got '1'"),
    ):
        with pytest.raises(ValueError, match=f"mine.json: {message}"):
            Result.from_json(changed(document, path, five), "mine.json")
    for broken in (text[:-100], text.replace('"seconds":[0.16', '"seconds":[NaN')):
        with pytest.raises(ValueError, match="mine.json is not JSON"):
            Result.from_json(broken, "mine.json")
    del document["robots"]["kind"]
    with pytest.raises(ValueError, match="mine.json: robots.kind: Field required"):
        Result.from_json(json.dumps(document), "mine.json")
