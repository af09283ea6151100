"""What an evaluation found is drawn where it belongs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from fake import BIPED
from locoenvs.evidence import plots
from locoenvs.evidence.metrics import wilson
from locoenvs.evidence.plots import groups_picture, learning_picture, success_picture
from locoenvs.evidence.result import Result
from locoenvs.tasks.task import Task, Terrain


def ground(levels: int) -> Terrain:
    """The ground of a task, whose kinds of tile have all their parameters."""
    return Task(BIPED, terrain=Terrain(levels=levels)).terrain


def result(strata: dict[str, Any]) -> Result:
    return Result(
        panel="test",
        panel_hash="0",
        task_hash="0",
        policy_sha256=None,
        backend="mujoco",
        num_robots=80,
        episode_seconds=1.0,
        metrics={},
        reset_reasons={},
        strata=strata,
        versions={},
        wall_seconds=1.0,
    )


def test_success_stands_at_the_difficulty_of_its_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    crossed = {
        "stairs_up": (80, 60, 20),
        "stairs_down": (80, 40, 0),
        "slope_up": (80, 80, 72),
        "obstacles": (80, 76, 8),
    }
    strata = {
        f"{kind} {level}": {"success_rate": wilson(count, 80)}
        for kind, counts in crossed.items()
        for level, count in enumerate(counts)
    }
    success_picture(result({"terrain_and_level": strata}), ground(3), tmp_path / "success.png")
    lines = {line.get_label(): line for axes in drawn[0].axes for line in axes.get_lines()}
    assert set(lines) == {"stairs up", "stairs down", "slope up", "obstacles"}
    assert lines["stairs up"].get_xdata() == pytest.approx([0.05, 0.125, 0.2])
    assert lines["stairs up"].get_ydata() == pytest.approx([100, 75, 25])
    assert lines["slope up"].get_xdata() == pytest.approx([0.0, 13.1, 25.0], abs=0.1)  # degrees
    assert lines["slope up"].get_ydata() == pytest.approx([100, 100, 90])
    assert lines["stairs up"].axes is lines["stairs down"].axes is not lines["obstacles"].axes


def test_it_is_a_picture(tmp_path: Path) -> None:
    strata = {"stairs_up 0": {"success_rate": wilson(3, 4)}}
    success_picture(result({"terrain_and_level": strata}), ground(3), tmp_path / "new" / "success.png")
    assert (tmp_path / "new" / "success.png").read_bytes().startswith(b"\x89PNG")


def test_a_panel_without_tiles_has_no_such_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="panel 'test' has no tiles"):
        success_picture(result({}), ground(3), tmp_path / "success.png")
    assert not list(tmp_path.iterdir())


def test_what_was_found_while_training_is_drawn_by_its_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    update = {"kind": "update", "elapsed_seconds": 60.0, "reward_per_second": 1.0, "terms_per_second": {}, "resets": {}}
    found = [(90.0, 0.02, 0.15, 0.3), (150.0, 0.005, 0.12, 0.15)]
    judged = [
        {
            "kind": "validation",
            "elapsed_seconds": seconds,
            "metrics": {"fall_rate": falls, "velocity_error": velocity, "yaw_rate_error": yaw},
        }
        for seconds, falls, velocity, yaw in found
    ]
    learning_picture([update], tmp_path / "learning.png")
    learning_picture([update, *judged], tmp_path / "learning.png")
    assert [len(figure.axes) for figure in drawn] == [3, 4]
    lines = {line.get_label(): line for line in drawn[1].axes[3].get_lines()}
    assert lines["fall rate / 1 %"].get_xdata() == pytest.approx([1.5, 2.5])
    assert lines["fall rate / 1 %"].get_ydata() == pytest.approx([2.0, 0.5])
    assert lines["velocity error / 0.15 m/s"].get_ydata() == pytest.approx([1.0, 0.8])
    assert lines["yaw rate error / 0.15 rad/s"].get_ydata() == pytest.approx([2.0, 1.0])


def test_no_two_terms_of_a_ledger_look_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    terms = {f"term_{index}": float(index) for index in range(25)}
    updates = [
        {
            "kind": "update",
            "elapsed_seconds": 60.0 * k,
            "reward_per_second": 1.0,
            "terms_per_second": terms,
            "resets": {},
        }
        for k in range(2)
    ]
    plots.learning_picture(updates, tmp_path / "learning.png")
    lines = drawn[0].axes[1].get_lines()
    assert len(lines) == len({(line.get_color(), line.get_linestyle()) for line in lines}) == 25


def test_the_intervals_are_drawn_around_the_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    rates = [wilson(60, 80), wilson(20, 80)]
    strata = {f"obstacles {level}": {"success_rate": rate} for level, rate in enumerate(rates)}
    success_picture(result({"terrain_and_level": strata}), ground(2), tmp_path / "success.png")
    (band,) = [made for axes in drawn[0].axes for made in axes.collections]
    corners = band.get_paths()[0].vertices
    for x, rate in zip((0.05, 0.2), rates):
        ys = {round(float(y), 3) for at, y in corners if abs(at - x) < 1e-9}
        assert ys == {round(100 * end, 3) for end in (rate.low, rate.high) if end is not None}


def test_the_course_of_a_training_is_over_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    records: list[dict[str, Any]] = [{"kind": "checkpoint", "update": 1}]
    for number in (1, 2, 3):
        records.append(
            {
                "kind": "update",
                "elapsed_seconds": 90.0 * number,
                "reward_per_second": 0.1 * number,
                "terms_per_second": {"joint_torques": -0.2 * number},
                "resets": {"time_limit": number, "base_contact": 5 - number},
            }
        )
    plots.learning_picture(records, tmp_path / "learning.png")
    total, terms, ends = (
        [(line.get_label(), line.get_xdata(), line.get_ydata()) for line in axes.get_lines()] for axes in drawn[0].axes
    )
    for lines in (total, terms, ends):
        assert all(list(x) == [1.5, 3.0, 4.5] for _, x, _ in lines)
    assert list(total[0][2]) == pytest.approx([0.1, 0.2, 0.3])
    assert terms[0][0] == "joint torques" and list(terms[0][2]) == pytest.approx([-0.2, -0.4, -0.6])
    assert {label: list(y) for label, _, y in ends} == {"time limit": [1, 2, 3], "base contact": [4, 3, 2]}
    with pytest.raises(ValueError, match="no updates"):
        plots.learning_picture(records[:1], tmp_path / "learning.png")


def test_success_stands_beside_what_differs_and_falls_where_moments_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    of_robots = {"0.2 to 0.4": {"success_rate": wilson(2, 8), "fall_rate": wilson(6, 8)}}
    of_robots["0.4 to 1.25"] = {"success_rate": wilson(6, 8), "fall_rate": wilson(1, 8)}
    found = result({"friction": of_robots, "push_speed": {"1 to 2 m/s": {"fall_rate": wilson(4, 4)}}, "payload": {}})
    groups_picture(dataclasses.replace(found, metrics={"success_rate": wilson(8, 16)}), tmp_path / "groups.png")
    friction, pushes = drawn[0].axes
    assert (friction.get_title("left"), friction.get_ylabel()) == ("friction", "success, %")
    assert (pushes.get_title("left"), pushes.get_ylabel()) == ("push speed", "falls, %")
    heights = [container.lines[0].get_ydata()[0] for container in friction.containers]
    assert heights == pytest.approx([25, 75])
    with pytest.raises(ValueError, match="panel 'test' tells nothing apart"):
        groups_picture(result({}), tmp_path / "groups.png")
