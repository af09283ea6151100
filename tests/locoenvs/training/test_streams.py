"""What a recipe says of the streams that a run trains on and is judged by."""

from __future__ import annotations

from locoenvs.envs.registration import task
from locoenvs.evidence.panel import load_panel, validation_of
from locoenvs.training.streams import held_out, streams

ROUGH = task("Loco/AnymalC-Rough-v0", actuator="pd")


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
    flat = task("Loco/AnymalC-Flat-v0", actuator="pd")
    found = streams(flat, 0, held_out(flat))
    assert found["train"][0]["terrain_seed"] is None and found["validation"] == []
    assert [each["panel"] for each in found["held_out"]] == [load_panel("flat").name]


def test_held_out_are_all_panels_that_a_run_is_judged_on_at_its_end() -> None:
    assert [panel.name for panel in held_out(ROUGH)] == ["AnymalC-rough-1", "AnymalC-crossing-1"]
    assert [panel.name for panel in held_out(ROUGH, ("rough2", "nothing"))] == ["AnymalC-rough2-1"]
    assert held_out(ROUGH, ("none",)) == []
