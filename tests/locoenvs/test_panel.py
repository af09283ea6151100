"""The panels of the suite are frozen, and what they measure cannot leak into training."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from locoenvs import rng
from locoenvs.curriculum import first_level
from locoenvs.mdp import prepare
from locoenvs.panel import PANELS, Panel, load_panel, panel_for
from locoenvs.task import Curriculum
from locoenvs.terrain import build

HASHES = {"flat": "394fc9588310", "rough": "709a915fedfd"}
"""A panel is never edited: one that measures something else gets another name."""


@pytest.mark.parametrize("name", PANELS)
def test_panels_are_frozen(name: str) -> None:
    assert load_panel(name).hash == HASHES[name]


@pytest.mark.parametrize("name", PANELS)
def test_a_manifest_holds_what_the_code_builds(name: str) -> None:
    assert load_panel(name) == panel_for(PANELS[name])


def test_a_panel_survives_json_and_refuses_edits() -> None:
    panel = load_panel("flat")
    assert Panel.from_json(panel.to_json()) == panel
    document = json.loads(panel.to_json())
    document["panel"]["task"]["commands"]["forward"] = [-0.5, 0.5]
    with pytest.raises(ValueError, match="'AnymalC-flat-1' was changed"):
        Panel.from_json(json.dumps(document))
    with pytest.raises(ValueError, match="not a panel's manifest"):
        Panel.from_json(panel.task.to_json())


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


def test_the_rough_panel_has_two_robots_on_every_tile() -> None:
    panel = load_panel("rough")
    ground = build(panel.task.terrain)
    mdp = prepare(panel.task, ground, pytest.importorskip("array_api_compat.numpy"))
    robot = np.arange(panel.num_robots, dtype=np.int32)
    level, column = first_level(mdp, robot, robot), robot % panel.task.terrain.columns
    tiles, counts = np.unique(np.stack([level, column]), axis=1, return_counts=True)
    assert tiles.shape == (2, 200) and (counts == 2).all()


def test_no_robot_of_the_rough_panel_can_walk_off_the_map() -> None:
    task = load_panel("rough").task
    fastest = math.hypot(task.commands.forward[1], task.commands.sideways[1])
    reach = fastest * task.timing.episode_length + task.randomization.start.position
    assert reach < task.terrain.tile / 2 + task.terrain.border


@pytest.mark.parametrize("name", PANELS)
def test_panels_are_held_out(name: str) -> None:
    panel, trained = load_panel(name), load_panel(name).task
    assert rng.SPLITS[panel.split] != rng.SPLITS["train"]
    if trained.terrain.kind == "tiles":
        assert trained.terrain.seed != 0
