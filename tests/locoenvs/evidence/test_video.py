"""A video follows its schedule, in real time."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

import viewed
from fake import BIPED, FakeSimulator
from locoenvs.envs import backends
from locoenvs.evidence import video
from locoenvs.evidence.video import Leg, Look, _read, contact_sheet, record
from locoenvs.tasks.task import Observations, Task, Terrain

pytest.importorskip("imageio_ffmpeg")
pytest.importorskip("PIL")

TASK = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None, noise=False))


class Painted(FakeSimulator):
    """Its pictures get brighter with every one."""

    shown = 0
    robot: object = -1
    look: object = None

    def render(
        self, physics: object, robot: object, size: tuple[int, int] = (640, 480), camera: str = "corner"
    ) -> np.ndarray:
        Painted.shown += 1
        Painted.robot, Painted.look = robot, (size, camera)
        return np.full((96, 128, 3), 4 * Painted.shown, np.uint8)

    def close(self) -> None:
        pass


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> None:
    Painted.shown = 0
    monkeypatch.setattr(backends, "load", lambda name: lambda task, ground, count, device=None: Painted(xp, count))


def test_the_robot_is_told_the_command_of_each_leg(painted: None, tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    def watching(observations: np.ndarray) -> np.ndarray:
        seen.append(observations[0, 9:12] / [2, 2, 0.25])
        return np.zeros((len(observations), 2), np.float32)

    schedule = (Leg(0.2, forward=0.5), Leg(0.2, sideways=-0.3, yaw_rate=0.7))
    record(watching, TASK, tmp_path / "v.mp4", seconds=0.6, schedule=schedule)
    first, second = [0.5, 0.0, 0.0], [0.0, -0.3, 0.7]
    expected = [first] * 10 + [second] * 10 + [first] * 9  # an observation shows the command of the step before it
    np.testing.assert_allclose(seen[1:], expected, atol=1e-6)


def test_the_video_runs_in_real_time_and_shows_the_robot_asked_for(painted: None, tmp_path: Path) -> None:
    idle = lambda observations: np.zeros((len(observations), 2), np.float32)  # noqa: E731
    record(idle, TASK, tmp_path / "v.mp4", seconds=1.0, robot=2, overlay=False)
    frames = _read(tmp_path / "v.mp4")
    assert len(frames) == 25 and frames[0].shape == (96, 128, 3)
    np.testing.assert_allclose([frame.mean() for frame in frames], np.arange(1, 26) * 4, atol=4)
    assert Painted.robot == 2


def test_a_contact_sheet_shows_the_whole_video_in_order(painted: None, tmp_path: Path) -> None:
    from PIL import Image

    idle = lambda observations: np.zeros((len(observations), 2), np.float32)  # noqa: E731
    record(idle, TASK, tmp_path / "v.mp4", seconds=1.0, overlay=False)
    contact_sheet(tmp_path / "v.mp4", tmp_path / "sheet.png", count=3, columns=2)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png")).mean(axis=-1)
    assert sheet.shape == (96, 128)
    corners = [sheet[10, 10], sheet[10, -10], sheet[-10, 10], sheet[-10, -10]]
    np.testing.assert_allclose(corners, [4, 52, 100, 255], atol=6)


def test_commands_in_words() -> None:
    assert Leg(1).text == "stand"
    assert Leg(1, forward=0.8, yaw_rate=-0.5).text == "forward +0.8 m/s, turn -0.5 rad/s"


def test_a_video_of_no_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="longer than 0 s, got 0"):
        record(lambda o: o, TASK, tmp_path / "v.mp4", seconds=0)
    with pytest.raises(ValueError, match="longer than 0 s, got 1 s and 0 s"):
        record(lambda o: o, TASK, tmp_path / "v.mp4", seconds=1, schedule=[Leg(0)])


IDLE = lambda observations: np.zeros((len(observations), 2), np.float32)  # noqa: E731


def test_policies_stand_side_by_side_under_their_names(painted: None, tmp_path: Path) -> None:
    heard: list[float] = []
    record({"a": IDLE, "b": IDLE}, TASK, tmp_path / "v.mp4", seconds=0.4, progress=heard.append)
    frames = _read(tmp_path / "v.mp4")
    assert len(frames) == 10 and frames[0].shape == (96, 256, 3)
    assert heard[-1] == 1.0 and heard == sorted(heard)
    left, right = frames[-1][10, 10].mean(), frames[-1][10, 140].mean()
    assert right == pytest.approx(left + 4, abs=3), "each policy's picture of one moment"


def test_several_robots_and_another_camera_are_asked_of_the_backend(painted: None, tmp_path: Path) -> None:
    look = Look((320, 240), "side")
    record(IDLE, TASK, tmp_path / "v.mp4", seconds=0.1, robot=[0, 2], look=look, overlay=False)
    assert (Painted.robot, Painted.look) == ([0, 2], ((320, 240), "side"))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes each picture as it comes, where ffmpeg does so when it likes."""

    def writer(path: Path, kind: str, width: int, height: int) -> Generator[None, Any, None]:
        path.write_bytes(b"")
        while True:
            path.write_bytes(path.read_bytes() + bytes((yield)[0, 0]))

    def begun(*arguments: Any) -> Generator[None, Any, None]:
        made = writer(*arguments)
        made.send(None)
        return made

    monkeypatch.setattr(video, "_writer", begun)


def test_a_video_is_there_once_it_is_whole(painted: None, at_once: None, tmp_path: Path) -> None:
    """Who makes a report while a training films takes no half of a film."""
    seen = list[list[str]]()
    look = lambda share: seen.append([each.name for each in tmp_path.iterdir()])  # noqa: E731
    record(IDLE, TASK, tmp_path / "v.mp4", seconds=0.4, overlay=False, progress=look)
    assert seen == [["v.mp4.part"]] * 10
    assert [(each.name, each.stat().st_size) for each in tmp_path.iterdir()] == [("v.mp4", 30)]


def test_a_video_that_ends_with_an_error_leaves_the_one_before(painted: None, at_once: None, tmp_path: Path) -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    (tmp_path / "v.mp4").write_bytes(b"an older one")
    with pytest.raises(KeyboardInterrupt):
        record(IDLE, TASK, tmp_path / "v.mp4", seconds=0.4, progress=stop)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"v.mp4": b"an older one"}


@pytest.mark.parametrize("suffix", [".webm", ".gif"])
def test_other_kinds_of_video(suffix: str, painted: None, tmp_path: Path) -> None:
    record(IDLE, TASK, tmp_path / f"v{suffix}", seconds=0.5, overlay=False)
    assert len(_read(tmp_path / f"v{suffix}")) == (6 if suffix == ".gif" else 12)


def test_a_kind_of_video_that_there_is_not_is_refused(painted: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must end in .mp4, .webm, .gif"):
        record(IDLE, TASK, tmp_path / "v.avi", seconds=0.5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", [0.01, 0.02])
def test_a_video_too_short_for_a_picture_is_refused(seconds: float, painted: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{seconds} s has no picture: it must last at least 0.04 s"):
        record(IDLE, TASK, tmp_path / "v.mp4", seconds=seconds)
    record(IDLE, TASK, tmp_path / "v.mp4", seconds=0.04, overlay=False)
    assert Painted.shown == 1 and len(_read(tmp_path / "v.mp4")) == 1


def test_a_recurrent_policy_forgets_where_an_episode_ends(
    painted: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    policy, forgot = viewed.recurrent(tmp_path / "remembers", TASK), list[object]()
    advance, steps = Painted.advance, list[int]()

    def falling(self: Painted, physics: object, target: object) -> object:
        steps.append(1)
        if len(steps) == 20:
            self.broken[1] = True
        return advance(self, physics, target)  # type: ignore[arg-type]

    monkeypatch.setattr(Painted, "advance", falling)
    monkeypatch.setattr(policy, "reset", lambda mask=None: forgot.append(mask if mask is None else list(mask)))
    record(policy, TASK, tmp_path / "v.mp4", seconds=0.4, robot=[0, 1], overlay=False)
    assert forgot[:2] == [None, [False, True]]
