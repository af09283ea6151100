"""What ``locoenvs play`` films, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from locoenvs.cli import play
from locoenvs.cli.app import main
from locoenvs.evidence.video import Look, _read
from locoenvs.policies.policy import POLICIES, load_policy


def test_a_policy_beside_itself_is_there_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    filmed = list[Any]()
    monkeypatch.setattr(play, "record", lambda shown, *rest, **more: filmed.extend([*shown.items()]))
    same, name = ["a1_flat", "a1_flat"], str(tmp_path / "v.mp4")
    main(["play", "a1_flat", "--beside", *same, "--out", name])
    names, policies = zip(*filmed)
    assert names == ("a1_flat", "a1_flat (2)", "a1_flat (3)")
    assert len({id(each) for each in policies}) == 3, "each remembers for itself"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["anymal_c_rough", "--together", "--level", "2"], "--level 2: --together shows every level"),
        (["anymal_c_flat", "--level", "2"], "--level 2: a plane has no levels; choose a kind of tile by --terrain"),
        (["anymal_c_flat", "--seconds", "0.01"], "a video of 0.01 s has no picture: it must last at least 0.04 s"),
    ],
)
def test_what_would_count_for_nothing_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["play", *arguments, "--out", str(tmp_path / "v.mp4")])
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and len(told.splitlines()) == 1 and said in told
    assert not list(tmp_path.iterdir())


@pytest.mark.xdist_group("render")
def test_together_films_a_robot_on_a_tile_of_each_kind(tmp_path: Path) -> None:
    """A map of one level is a row of tiles: so many robots stand side by side."""
    pytest.importorskip("imageio_ffmpeg")
    kinds = len(load_policy(POLICIES / "anymal_c_rough").task.terrain.shares)
    out = tmp_path / "all.mp4"
    film = ["--seconds", "0.04", "--size", "960", "320", "--set", "terrain.levels=1", "--out", str(out)]
    main(["play", "anymal_c_rough", "--together", *film])
    (frame,) = _read(out)
    assert frame.shape == (320, 960, 3)
    dark = np.flatnonzero((frame.max(axis=-1) < 90)[:, 80:].any(axis=0))  # columns; beside what the command is told in
    assert 1 + (np.diff(dark) > 15).sum() == kinds


def test_a_film_is_1280_by_720_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks = list[Look]()
    monkeypatch.setattr(play, "record", lambda *given, look, **more: looks.append(look))
    for more in ([], ["--size", "640", "480"]):
        main(["play", "anymal_c_flat", "--out", str(tmp_path / "v.mp4"), *more])
    assert looks == [Look((1280, 720), "corner"), Look((640, 480), "corner")]
