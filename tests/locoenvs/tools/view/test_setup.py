from __future__ import annotations

from typing import Any

import pytest

import viewed
from locoenvs.tools.view.setup import EVERY, PLANE, Setup, conditions, grounds, task_of


def test_a_task_can_be_seen_on_its_own_ground_first_and_on_all_others() -> None:
    assert grounds(viewed.tiles())[:4] == (EVERY, "slope_up", "stairs_up", PLANE)
    flat = grounds(viewed.flat().task)
    assert flat[0] == PLANE and "stairs_down" in flat and EVERY not in flat
    assert len(set(grounds(viewed.tiles()))) == len(grounds(viewed.tiles()))


def test_nothing_asked_for_changes_no_condition() -> None:
    task = viewed.tiles()
    assert conditions(task, Setup(pushes=True)).hash == task.hash


def test_what_is_asked_for_is_in_the_task() -> None:
    task = viewed.tiles()
    made = task_of(task, Setup("gaps", 1, friction=0.3, payload=5.0, drive="lstm", delay=0.02, noise=0.5), 3)
    assert made.randomization.friction == (0.3, 0.3) and made.randomization.payload == (5.0, 5.0)
    assert made.randomization.terms["action_delay"].parameters["delay"] == (0.02, 0.02)
    assert made.actuator.kind == "lstm" and made.randomization.pushes is None
    assert [slot.noise for slot in made.observations.slots] == [
        None if slot.noise is None else slot.noise / 2 for slot in task.observations.slots
    ]
    assert (made.terrain.columns, [share.kind for share in made.terrain.shares]) == (3, ["gaps"])
    assert not made.curriculum.enabled and made.commands.mode == "yaw_rate" and made.commands.resample_every is None
    assert task_of(task, Setup(), 3).terrain == task.terrain
    assert task_of(task, Setup(PLANE), 3).terrain.kind == "plane"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"friction": -1.0}, "friction -1.0: must be from 0 to 3"),
        ({"friction": float("nan")}, "friction nan: must be from 0"),
        ({"payload": 900.0}, "payload 900.0 kg: must be from -50 to 50"),
        ({"delay": 1.0}, "delay 1.0: must be from 0 to 0.1"),
        ({"noise": -0.1}, "noise -0.1: must be from 0 to 5"),
        ({"ground": "lava"}, "ground 'lava': choose one of every kind, slope_up"),
        ({"level": 2}, "level 2: the levels are 0 to 1"),
    ],
)
def test_what_cannot_be_is_told(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        task_of(viewed.tiles(), Setup(**asked), 1)
