"""Comparisons in pairs: nothing where nothing is, what there is where it is, and the rule by which one replaces another."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from locoenvs.evidence.compare import Comparison, Side, compare
from locoenvs.evidence.compare_tables import notes, picture, table
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.metrics import Estimate, bootstrap, wilson
from locoenvs.evidence.paired import differences
from locoenvs.evidence.panel import PANELS as SUITE
from locoenvs.evidence.panel import panel_of
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import Robots
from locoenvs.policies.policy import POLICIES, load_policy

COUNT = 60


def result(
    panel: str = "Fake-flat-1", succeed: int = 30, fall: int = 12, low: int | None = None, **fields: Any
) -> Result:
    """Of 60 robots, half on low friction, the first so many fall, and the last so many succeed; of those on low friction ``low``."""
    label = ["low", "high"] * (COUNT // 2)
    succeeded = [robot >= COUNT - succeed for robot in range(COUNT)]
    if low is not None:
        members = [robot for robot in range(COUNT) if label[robot] == "low"]
        for place, robot in enumerate(members):
            succeeded[robot] = place >= len(members) - low
    fell = [robot < fall for robot in range(COUNT)]
    work = np.random.default_rng(1).uniform(100, 200, COUNT).round(3)
    robots = Robots(
        kind=["flat"] * COUNT,
        level=[0] * COUNT,
        drawn={"friction": np.linspace(0.5, 1, COUNT).tolist()},
        groups={"friction": label},
        succeeded=succeeded,
        fell=fell,
        seconds=[20.0] * COUNT,
        reset_reason=["time_limit"] * COUNT,
        numerators={
            "velocity_error": (work / 1000).tolist(),
            "cost_of_transport": work.tolist(),
            "foot_slip": [0.0, *work[1:].tolist()],
        },
        denominators={"cost_of_transport": (work * 2).tolist(), "foot_slip": [0.0] + [1000.0] * (COUNT - 1)},
    )
    made = Result(
        panel=panel,
        panel_hash=f"{sum(map(ord, panel)):012x}",
        task_hash="0" * 12,
        policy_sha256=None,
        backend="mujoco",
        num_robots=COUNT,
        episode_seconds=20.0,
        metrics={"fall_rate": wilson(sum(fell), COUNT), "success_rate": wilson(sum(succeeded), COUNT)},
        reset_reasons={},
        strata={"friction": {"low": {}, "high": {}}},
        versions={"mujoco": "3.17.0"},
        wall_seconds=10.0,
        options={"contact": "own"},
        drive="pd",
        policy={"drive": "pd", "backend": "mujoco", "samples": 2_000_000},
        robots=robots,
    )
    return dataclasses.replace(made, **fields)


def side(*results: Result, name: str = "one") -> Side:
    return Side(name, results)


PANELS = ("Fake-flat-1", "Fake-rough-1", "Fake-disturb-1")


def test_a_policy_beside_itself_is_no_different_whatever_the_seed() -> None:
    of_all = side(*map(result, PANELS), result("Fake-lstm-flat-1", drive="lstm"))
    for seed in range(20):
        found = compare(of_all, of_all, seed)
        assert [panel.word for panel in found.panels] == ["no difference"] * 4
        assert (found.verdict.word, found.verdict.missing) == ("no difference", ())
        assert all(d.value == d.low == d.high == 0 for panel in found.panels for d in panel.metrics.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITE)
def test_a_shipped_policy_judged_twice_on_a_small_panel_is_no_different(name: str) -> None:
    policy = load_policy(POLICIES / ("anymal_c_flat" if name in ("flat", "disturb") else "anymal_c_rough"))
    panel = panel_of(policy.task, f"{name}:smoke")
    first, again = (evaluate(policy, panel, backend="mujoco") for _ in range(2))
    assert first.num_robots == 16 and first.robots == again.robots
    for seed in range(20):
        assert compare(side(first), side(again), seed).panels[0].word == "no difference"


def test_a_number_that_is_none_gets_into_no_result() -> None:
    robots = result().robots
    assert robots is not None
    errors = [float("nan"), *robots.numerators["velocity_error"][1:]]
    with pytest.raises(ValueError, match="velocity_error.0\n *Input should be a finite number"):
        dataclasses.replace(robots, numerators={**robots.numerators, "velocity_error": errors})
    with pytest.raises(ValueError, match="Input should be a finite number"):
        Estimate(float("nan"), None, None, COUNT)


def test_a_better_and_a_worse_one_are_told_apart_and_so_are_their_groups() -> None:
    a, b = side(result(low=5)), side(result(low=25), name="two")
    better, worse = compare(a, b).panels[0], compare(b, a).panels[0]
    assert (better.word, worse.word) == ("better", "worse")
    assert [(quantity, label, name) for quantity, label, name, _ in better.groups("better")] == [
        ("friction", "low", "success_rate")
    ]
    assert better.groups("worse") == [] and len(worse.groups("worse")) == 1
    assert notes(compare(a, b)) == ["Fake-flat-1, better: friction low (success +66.7 points)"]
    difference = better.metrics["success_rate"]
    assert (difference.a, difference.b) == (20 / 60, 40 / 60) and difference.value == pytest.approx(1 / 3)
    assert difference.low is not None and 0.2 < difference.low < 1 / 3


def test_intervals_are_of_pairs() -> None:
    """What differs between robots, but not between policies, widens nothing: 60 robots of 0.1 to 0.2 m/s, each 0.01 m/s better."""
    a = result()
    assert a.robots is not None
    errors = np.array(a.robots.numerators["velocity_error"])
    numerators = {**a.robots.numerators, "velocity_error": (errors - 0.01).tolist()}
    b = dataclasses.replace(a, robots=dataclasses.replace(a.robots, numerators=numerators))
    found = differences(a, b)["velocity_error"]
    assert (found.low, found.value, found.high) == pytest.approx((-0.01,) * 3)
    alone = bootstrap(errors, np.ones(COUNT))
    assert alone.low is not None and alone.value - alone.low > 0.005


def test_a_ratio_is_of_sums_and_a_robot_without_a_part_in_it_does_not_count() -> None:
    found = differences(result(), result())
    assert found["cost_of_transport"].a == 0.5
    assert found["foot_slip"].a == pytest.approx(
        np.random.default_rng(1).uniform(100, 200, COUNT)[1:].sum() / 59000, rel=1e-4
    )
    one = dataclasses.replace(result(), robots=first_of(result()))
    assert differences(one, one)["fall_rate"].low is None and "foot_slip" not in differences(one, one)


def first_of(whole: Result) -> Robots:
    assert whole.robots is not None
    parts = {
        name: {key: inner[:1] for key, inner in value.items()} if isinstance(value, dict) else value[:1]
        for name, value in vars(whole.robots).items()
        if not name.startswith("__")
    }
    return Robots(**parts)


HELD_OUT, DISTURB = result(), result("Fake-disturb-1")
TRANSFER = result("Fake-flat-1", backend="mjx")


@pytest.mark.parametrize(
    ("b", "word", "said"),
    [
        ((result(succeed=50), DISTURB, TRANSFER), "promoted", "promoted: better on Fake-flat-1"),
        ((HELD_OUT, result("Fake-disturb-1", fall=1), TRANSFER), "promoted", "promoted: better on Fake-disturb-1"),
        ((HELD_OUT, DISTURB, result(backend="mjx", fall=1)), "promoted", "promoted: better on Fake-flat-1 (mjx)"),
        ((HELD_OUT, DISTURB, TRANSFER), "no difference", "no difference"),
        (
            (result(succeed=50), DISTURB, result(backend="mjx", fall=30)),
            "not promoted",
            "not promoted: worse on Fake-flat-1 (mjx); better on Fake-flat-1",
        ),
        (
            (result(succeed=50),),
            "better, not promoted",
            "better, not promoted: better on Fake-flat-1 (no panel of disturbance, transfer)",
        ),
        ((DISTURB,), "no difference", "no difference (no panel of held-out, transfer)"),
        (
            (result(succeed=50, fall=30),),
            "not promoted",
            "not promoted: worse on Fake-flat-1; better on Fake-flat-1 (no",
        ),
    ],
)
def test_the_promotion_rule(b: tuple[Result, ...], word: str, said: str) -> None:
    verdict = compare(side(HELD_OUT, DISTURB, TRANSFER), side(*b)).verdict
    assert verdict.word == word and str(verdict).startswith(said)


def test_another_drive_than_as_own_is_transfer() -> None:
    lstm = result("Fake-lstm-flat-1", drive="lstm")
    panels = compare(side(lstm, HELD_OUT), side(lstm, HELD_OUT)).panels
    assert [panel.panel_class for panel in panels] == ["transfer", "held-out"]
    at_home = dataclasses.replace(lstm, policy={"drive": "lstm"})
    assert compare(side(at_home), side(at_home)).panels[0].panel_class == "held-out"


def test_home_is_the_backend_that_a_was_trained_on_however_it_is_implemented() -> None:
    known = {"drive": "pd", "backend": "mjx"}
    results = [result(backend=name, policy=known) for name in ("isaaclab-newton", "mjx-jax", "mujoco")]
    panels = compare(side(*results), side(*results)).panels
    assert [panel.panel_class for panel in panels] == ["transfer", "held-out", "transfer"]


@pytest.mark.parametrize("name", ["Fake-disturb-1", "Fake-disturb2-1", "Fake-disturb_rough-1"])
def test_every_disturb_panel_is_of_disturbance(name: str) -> None:
    assert [panel.panel_class for panel in compare(side(result(name)), side(result(name))).panels] == ["disturbance"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Fake-flat-1-smoke", "panel"),
        ("Fake-flat-1-validation", "panel"),
        ("Fake-disturb-1, and 1 change", "panel"),
        ("Fake-flat-1, on another task", "panel"),
        ("mine", "validation"),
    ],
)
def test_small_changed_and_validation_panels_speak_against_b_and_not_for_it(name: str, split: str) -> None:
    asked = [HELD_OUT, DISTURB, TRANSFER]
    alike, better, worse = (result(name, fall=fall, split=split) for fall in (12, 1, 30))
    assert compare(side(alike), side(alike)).verdict.missing == ("held-out", "disturbance", "transfer")
    assert compare(side(*asked, alike), side(*asked, better)).verdict.word == "better, not promoted"
    assert compare(side(*asked, alike), side(*asked, worse)).verdict.word == "not promoted"
    promoted = compare(side(*asked, alike), side(result(fall=1), DISTURB, TRANSFER, better))
    assert promoted.verdict.word == "promoted" and "does not count for B" in shown(promoted)


def shown(comparison: Comparison) -> str:
    console = Console(width=200)
    with console.capture() as said:
        console.print(table(comparison))
    return said.get()


def test_a_training_counts_with_those_that_it_began_from() -> None:
    known = {"samples": 2_000_000, "training_seconds": 600.0}
    began = known | {"samples_before": 3_000_000, "training_seconds_before": 900.0}
    a, b = (side(result(policy=policy)) for policy in (known, began))
    found = compare(a, b)
    assert (found.samples, found.training_seconds) == ((2_000_000, 5_000_000), (600.0, 1500.0))
    lines = [" ".join(line.replace("│", " ").split()) for line in shown(found).splitlines()]
    assert "training samples, M 2.0 5.0" in lines and "training wall clock, min 10.0 25.0" in lines
    unknown = side(result(policy=known | {"samples_before": None}))
    assert (unknown.samples, unknown.training_seconds, side(result(policy={})).samples) == (None, 600.0, None)


def test_a_result_tells_that_its_panel_is_not_held_out() -> None:
    kept = Result.from_json(result(split="validation", strata={}).to_json())
    assert kept.split == "validation" and '"split"' not in result().to_json()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (result("Fake-rough-1"), r"different panels cannot be compared: Fake-flat-1 \(\w+\) and Fake-rough-1 \(\w+\)"),
        (result(backend="mjx"), "different backends cannot be compared: mujoco and mjx, both of Fake-flat-1"),
        (
            result(options={"contact": "mujoco"}),
            "different options of mujoco cannot be compared: {'contact': 'own'} and",
        ),
        (result(robots=None), "'Fake-flat-1' does not tell what each robot did: write it again by locoenvs eval --out"),
        (result(robots=first_of(result())), "60 robots of panel 'Fake-flat-1' and 1 of 'Fake-flat-1' make no pairs"),
    ],
)
def test_what_cannot_be_compared_is_refused(other: Result, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(side(result()), side(other))


def test_robots_that_drew_differently_and_doubles_are_refused() -> None:
    robots = result().robots
    assert robots is not None
    slippery = dataclasses.replace(robots, drawn={"friction": [0.1] * COUNT})
    with pytest.raises(ValueError, match="drew differently"):
        compare(side(result()), side(result(robots=slippery)))
    with pytest.raises(ValueError, match="one has two results of panel 'Fake-flat-1' on mujoco: which one counts?"):
        compare(side(result(), result()), side(result()))
    with pytest.raises(ValueError, match="one has no results"):
        compare(side(), side(result()))


def test_what_has_nothing_beside_it_and_other_versions_are_told() -> None:
    newer = result(versions={"mujoco": "4.0.0"})
    found = compare(side(HELD_OUT, DISTURB, name="a"), side(newer, TRANSFER, name="b"))
    assert found.unmatched == ("a: Fake-disturb-1 on mujoco", "b: Fake-flat-1 on mjx")
    assert notes(found) == [
        "Fake-flat-1, versions of A and B differ: mujoco 3.17.0 and 4.0.0",
        "nothing beside a: Fake-disturb-1 on mujoco",
        "nothing beside b: Fake-flat-1 on mjx",
    ]


def test_a_comparison_is_written_shown_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = compare(side(HELD_OUT, DISTURB, name="a"), side(result(low=25), DISTURB, name="b"))
    document = json.loads(found.to_json())
    assert document["format"] == "locoenvs.comparison" and document["verdict"]["word"] == "better, not promoted"
    assert [panel["word"] for panel in document["panels"]] == ["better", "no difference"]
    assert document["samples"] == [2_000_000, 2_000_000]
    assert table(found).row_count == 2 * (len(document["panels"][0]["metrics"]) + 1) + 2
    picture([found], tmp_path / "differences.png")
    assert (tmp_path / "differences.png").read_bytes().startswith(b"\x89PNG")
