"""From an evaluation to its falls, the page and the replay, by the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import falls
import numpy as np
import pytest

from locoenvs.cli import app as cli
from locoenvs.cli import replay
from locoenvs.evidence.failures import archive
from locoenvs.evidence.video import _read


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return falls.written(tmp_path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_eval_leaves_what_led_to_falls_beside_its_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest, out = tmp_path / "panel.json", tmp_path / "result.json"
    manifest.write_text(falls.panel().to_json())
    command = ["eval", "anymal_c_rough", "--panel", str(manifest), "--backend", "mujoco", "--out", str(out)]
    cli.main([*command, "--failures", "1"])
    read = archive.load(out)
    assert len(read.header.falls) == 1 and read.header.every_fall > 1
    cli.main([*command, "--failures", "0"])
    assert not archive.beside(out).exists(), "that of the older result is gone"
    with pytest.raises(SystemExit):
        cli.main([*command, "--failures", "-1"])
    assert "--failures -1" in capsys.readouterr().err


def test_failures_groups_them_and_writes_a_page(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("PIL")
    out = tmp_path / "pages" / "falls.html"
    cli.main(["failures", str(result), "--out", str(out), "--each", "0"])
    assert "after a push" in said(capsys) and "<img" not in out.read_text()


def test_replay_says_that_it_is_the_same_and_what_would_have_been(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fall = archive.load(result).header.falls[0]
    robot = str(fall.robot)
    cli.main(["replay", str(result), "--robot", robot])
    told = said(capsys)
    assert f"it falls after {fall.seconds:.2f} s. The same as in the evaluation, bit by bit" in told
    cli.main(["replay", str(result), "--robot", robot, "--set", "randomization.pushes=null", "--copies", "3"])
    told = said(capsys)
    assert "with randomization.pushes=None: it ends upright after 3.00 s" in told
    assert "joints 0.001 rad apart: " in told and "of 3 copies" in told
    upright = next(str(each) for each in range(8) if archive.load(result).fall(each) is None)
    cli.main(["replay", str(result), "--robot", upright])
    told = said(capsys)
    assert "it did not fall; its episode ended after 3.00 s" in told and "done again from 0.00 s on" in told


def test_replay_films_the_robot(result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr("locoenvs.envs.vector.LocoVectorEnv.render", lambda env: (np.full((48, 64, 3), 128, np.uint8),))
    read, out = archive.load(result), tmp_path / "deep" / "fall.mp4"
    fall = read.header.falls[0]
    cli.main(["replay", str(result), "--robot", str(fall.robot), "--out", str(out)])
    steps = fall.step - int(read.begun[0])
    assert len(_read(out)) == steps // 2 + 1


def test_what_differs_is_said_where_it_does_not_come_out_the_same(
    result: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = archive.load(result)
    robot = read.header.falls[0].robot
    read.checksums[robot] += 1
    older = dataclasses.replace(read, header=dataclasses.replace(read.header, versions={"mujoco": "3.0"}))
    monkeypatch.setattr(replay, "load", lambda path: older)
    cli.main(["replay", str(result), "--robot", str(robot)])
    told = said(capsys)
    assert "NOT the same as in the evaluation" in told and "it was made with mujoco 3.0, here" in told
    monkeypatch.setattr(replay, "load", lambda path: read)
    cli.main(["replay", str(result), "--robot", str(robot)])
    assert "versions and processor are the same: the backend does not repeat itself" in said(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "RESULT", "--robot", "8"], "robot 8 is not in"),
        (["replay", "RESULT", "--robot", "0", "--out", "a.gif"], "must end in .mp4"),
        (["replay", "RESULT", "--robot", "0", "--copies", "0"], "copies must be at least 1"),
        (["replay", "RESULT", "--robot", "0", "--set", "terrain.levels=3"], "terrain is another here"),
        (["replay", "RESULT", "--robot", "0", "--policy", "a1_flat"], "does not fit the task"),
        (["replay", "RESULT", "--robot", "0", "--backend", "mujco"], "did you mean 'mujoco'?"),
        (["replay", "nowhere.json", "--robot", "0"], "nowhere.json is missing"),
        (["failures", "RESULT", "--out", "a.pdf"], "must end in .html"),
        (["failures", "RESULT", "--each", "-1"], "--each -1"),
        (["failures", "nowhere.json"], "nowhere.json is missing"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    arguments: list[str], message: str, result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(result.parent.iterdir())
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(result) if each == "RESULT" else each for each in arguments])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1
    assert sorted(result.parent.iterdir()) == before
