"""What a recipe says of the streams that a run trains on and is judged by."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from locoenvs.envs.registration import task
from locoenvs.evidence.panel import load_panel, validation_of
from locoenvs.tasks.task import Task
from locoenvs.training.begin import begin
from locoenvs.training.settings import TrainSettings
from locoenvs.training.streams import audit_streams, check_apart, held_out, same_map, streams

FLAT, ROUGH = task("Loco/AnymalC-Flat-v0", actuator="pd"), task("Loco/AnymalC-Rough-v0", actuator="pd")
MET = 3513
"""A seed with which 4096 robots have some of the streams of panels, found by trying."""


def on_map(seed: int) -> Task:
    return dataclasses.replace(ROUGH, terrain=dataclasses.replace(ROUGH.terrain, seed=seed))


def test_each_stream_has_its_split_its_seeds_and_its_panel() -> None:
    panel, validation = load_panel("rough"), validation_of(ROUGH)
    found = streams(ROUGH, 7, [validation, panel])
    assert found["train"] == [{"split": "train", "seed": 7, "terrain_seed": ROUGH.terrain.seed}]
    (judged,), (chosen) = found["held_out"], found["validation"][0]
    assert judged["split"] == "panel" and chosen["split"] == "validation"
    assert (judged["panel"], judged["panel_hash"]) == (panel.name, panel.hash) and judged["num_robots"] == 400
    maps = [each["terrain_seed"] for group in found.values() for each in group]
    assert len(set(maps)) == 3  # no map twice


def test_a_plane_has_no_map() -> None:
    found = streams(FLAT, 0, held_out(FLAT))
    assert found["train"][0]["terrain_seed"] is None and found["validation"] == []
    assert [each["panel"] for each in found["held_out"]] == [load_panel("flat").name]


def test_held_out_are_all_panels_that_a_run_is_judged_on_at_its_end() -> None:
    assert [panel.name for panel in held_out(ROUGH)] == ["AnymalC-rough-1", "AnymalC-crossing-1"]
    assert [panel.name for panel in held_out(ROUGH, ("rough2", "nothing"))] == ["AnymalC-rough2-1"]
    assert held_out(ROUGH, ("none",)) == []


def test_a_training_on_the_map_of_a_panel_is_refused() -> None:
    for own in (FLAT, ROUGH):
        check_apart(own, 0, 4096, [validation_of(own)])
    for seed, name in ((1000, "AnymalC-rough-1"), (1001, "AnymalC-crossing-1"), (2002, "AnymalC-classes-1")):
        with pytest.raises(ValueError, match=rf"terrain\.seed={seed}: the map of panel {name} has it: take another"):
            check_apart(on_map(seed), 0, 4096)
    check_apart(on_map(51_000), 0, 4096)
    with pytest.raises(ValueError, match=r"terrain\.seed=51000: the map of panel AnymalC-rough-1-validation has it"):
        check_apart(on_map(51_000), 0, 4096, [validation_of(ROUGH)])
    flat = dataclasses.replace(FLAT, terrain=dataclasses.replace(FLAT.terrain, seed=1000))
    check_apart(flat, 0, 4096)  # a plane has no map


def test_a_training_on_streams_of_a_panel_is_refused() -> None:
    check_apart(FLAT, MET + 1, 4096)
    with pytest.raises(
        ValueError, match=rf"seed={MET}: \d+ of 4096 robots .* streams of panel AnymalC-flat-1: .*another seed"
    ):
        check_apart(FLAT, MET, 4096)


@pytest.mark.parametrize(
    ("seed", "changes", "said"),
    [(0, {"terrain.seed": 1000}, "terrain.seed=1000: the map of panel"), (MET, {}, f"seed={MET}: ")],
)
def test_such_a_run_of_a_learner_of_ones_own_does_not_begin(
    seed: int, changes: dict[str, int], said: str, tmp_path: Path
) -> None:
    settings = TrainSettings("Loco/AnymalC-Rough-v0", run=str(tmp_path / "run"), seed=seed, changes=changes)
    with pytest.raises(ValueError, match=said):
        begin("search", settings, None, {"num_envs": 4096})
    assert not (tmp_path / "run").exists()


def test_recipes_of_before_are_audited() -> None:
    found = streams(ROUGH, 0, [validation_of(ROUGH), *held_out(ROUGH)])
    assert all(finding.passed for finding in audit_streams(found, 4096, 128))
    found["train"][0]["terrain_seed"] = 1000
    wrong, families = audit_streams(found, 64, 128)
    assert not wrong.passed and wrong.message.startswith("terrain.seed=1000: the map of panel AnymalC-rough-1 has it")
    assert not families.passed and families.message == "64 of 128 have one"
    assert "seed=3513" in audit_streams(streams(FLAT, MET, held_out(FLAT)), 4096, 128)[0].message


def test_which_panels_are_on_the_map_that_was_trained_on() -> None:
    rough = load_panel("rough")
    assert same_map(on_map(1000), rough) and not same_map(ROUGH, rough) and not same_map(FLAT, load_panel("flat"))
