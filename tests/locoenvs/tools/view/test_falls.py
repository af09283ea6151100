from __future__ import annotations

import dataclasses
from pathlib import Path

import falls
import numpy as np
import pytest

import viewed
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.failures.archive import beside, load, write
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import load_panel
from locoenvs.tools.view.falls import AS_IT_WAS, FallSession
from locoenvs.tools.view.keys import actions
from locoenvs.tools.view.viewer import Viewer

pytest.importorskip("mujoco")


@pytest.fixture
def session(tmp_path: Path) -> FallSession:
    return FallSession(load(falls.written(tmp_path)))


def steps_to_the_end(session: FallSession) -> int:
    steps = 0
    while not session.over:
        session.step()
        steps += 1
    return steps


def test_every_fall_is_seen_as_it_was(session: FallSession) -> None:
    archive = session.archive
    for index in range(2):
        fall = session.fall
        assert index == session.at
        assert steps_to_the_end(session) == fall.step - archive.begun[session.at]
        session.go(1)
    assert session.at == 0 and not session.over


def test_it_begins_again_and_is_the_same(session: FallSession) -> None:
    def places() -> np.ndarray:
        return np.array([session.step() and session.readout.base_position[0] for _ in range(20)])

    first = places()
    session.reset()
    np.testing.assert_array_equal(places(), first)


def test_under_other_conditions_it_goes_on_from_the_same_state(session: FallSession) -> None:
    begin = session.readout.base_position
    steps = steps_to_the_end(session)
    session.change(dataclasses.replace(AS_IT_WAS, pushes=False))
    np.testing.assert_allclose(session.readout.base_position, begin, atol=1e-6)
    assert steps_to_the_end(session) > steps  # the push made it fall
    session.change(AS_IT_WAS)
    assert steps_to_the_end(session) == steps


def test_its_ground_stays(session: FallSession) -> None:
    with pytest.raises(ValueError, match="choose no other ground"):
        session.change(dataclasses.replace(AS_IT_WAS, ground="plane"))


def test_the_viewer_stops_when_a_fall_is_over_and_goes_on_with_it_again(session: FallSession) -> None:
    viewer = Viewer(session)
    now = 0.0
    while not viewer.clock.paused:
        now += 0.02
        viewer.tick(now)
    assert session.over and viewer.counts == {"base_contact": 1}
    viewer.pause()
    viewer.tick(now + 0.02)
    assert not session.over and session.at == 0
    actions(viewer, lambda: 1.0)["N"][1]()
    assert session.at == 1 and not viewer.clock.paused


def test_an_evaluation_without_falls_has_nothing_to_show(session: FallSession) -> None:
    header = dataclasses.replace(session.archive.header, falls=[])
    with pytest.raises(ValueError, match="holds no falls"):
        FallSession(dataclasses.replace(session.archive, header=header))


def test_a_change_under_which_nothing_begins_leaves_the_fall_as_it_was(
    session: FallSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("no room")

    env, before = session.env, session.step() and session.readout.base_position
    with monkeypatch.context() as patched:
        patched.setattr("locoenvs.tools.view.falls.put", broken)
        with pytest.raises(RuntimeError, match="no room"):
            session.change(dataclasses.replace(AS_IT_WAS, friction=0.1))
    assert session.env is env and session.setup == AS_IT_WAS
    np.testing.assert_array_equal(session.readout.base_position, before)
    session.step()


def test_a_fall_of_a_recurrent_policy_is_seen_from_the_robots_start(tmp_path: Path) -> None:
    flat, keeper = load_panel("flat"), Keeper()
    panel = dataclasses.replace(flat, num_robots=2, task=flat.task.with_({"timing.episode_length": 3.5}))
    policy, path = viewed.recurrent(tmp_path / "throw", panel.task, throw=True), tmp_path / "result.json"
    result = evaluate(policy, panel, "mujoco", watch=keeper)
    path.write_text(result.to_json())
    write(beside(path), keeper, result, panel, policy, {})
    session = FallSession(load(path))
    for _ in range(2):
        assert steps_to_the_end(session) == session.archive.steps[session.fall.robot]
        session.go(0)
    session.close()
