"""Gymnasium's wrappers around one robot and around a batch do what docs/gymnasium.md says of them."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.wrappers import vector

from locoenvs.envs.registration import task as task_of
from locoenvs.tasks.task import Timing

pytest.importorskip("mujoco")

FLAT = "Loco/A1-Flat-v0"
SHORT = dataclasses.replace(task_of(FLAT), timing=Timing(episode_length=0.1))
PAGE = (Path(__file__).parents[3] / "docs" / "gymnasium.md").read_text()
LOW, HIGH = np.float32(-1), np.float32(1)

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "AddWhiteNoise": (0.1,),
    "ClipReward": (-1, 1),
    "DelayObservation": (2,),
    "DiscretizeAction": (3,),
    "DiscretizeObservation": (3,),
    "DtypeObservation": (np.float64,),
    "FilterObservation": (["policy"],),
    "FrameStackObservation": (2,),
    "MaxAndSkipObservation": (2,),
    "ObstructView": (0.1, 2),
    "RepeatAction": (2,),
    "RescaleAction": (LOW, HIGH),
    "RescaleObservation": (LOW, HIGH),
    "ReshapeObservation": ((6, 8),),
    "ResizeObservation": ((8, 8),),
    "StickyAction": (0.1,),
    "TimeLimit": (3,),
    "VectorizeTransformObservation": (lambda env: wrappers.DtypeObservation(env, np.float64),),
    "VectorizeTransformAction": (wrappers.ClipAction,),
    "VectorizeTransformReward": (lambda env: wrappers.ClipReward(env, -1, 1),),
}
"""What a wrapper needs beside the environment."""

SINGLE: dict[str, tuple[Any, ...]] = {
    "TransformAction": (lambda action: action, gymnasium.spaces.Box(-2, 2, (12,))),
    "TransformObservation": (lambda observation: observation, None),
    "TransformReward": (lambda reward: reward,),
}
BATCH: dict[str, tuple[Any, ...]] = {name: (arguments[0],) for name, arguments in SINGLE.items()}
DRAWN = {"AddRenderObservation", "AddWhiteNoise", "HumanRendering", "ObstructView", "RecordVideo", "RenderCollection"}
PICTURES = {"GrayscaleObservation", "ResizeObservation"}
LEFT_OUT = {"vector", "AtariPreprocessing", "ArrayConversion"}
"""A module, and what is for games or a base of others."""


def rows(heading: str) -> dict[str, list[str]]:
    """Wrapper -> the cells that say what it does, of the table under ``heading``."""
    table = PAGE.split(heading)[1].split("\n\n")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {name: cells for names, *cells in lines for name in re.split(r", ", names)}


AROUND_ONE, AROUND_MANY = rows("| around one robot"), rows("| around a batch")


@pytest.fixture(autouse=True)
def filmed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of frames of each video, which are not written."""
    written: list[int] = []

    class Clip:
        def __init__(self, frames: list[np.ndarray], fps: float) -> None:
            written.append(len(frames))

        def write_videofile(self, path: str, **_: Any) -> None: ...

    clip = types.ModuleType("moviepy.video.io.ImageSequenceClip")
    clip.ImageSequenceClip = Clip  # type: ignore[attr-defined]
    for name in ("moviepy", "moviepy.video", "moviepy.video.io"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "moviepy.video.io.ImageSequenceClip", clip)
    return written


def wrapped(module: Any, name: str, env: Any, own: dict[str, tuple[Any, ...]], tmp_path: Path) -> Any:
    arguments = {**ARGUMENTS, **own, "RecordVideo": (str(tmp_path),)}.get(name, ())
    return getattr(module, name)(env, *arguments)


def drawing(simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that need no graphics."""
    monkeypatch.setattr(simulator, "render", lambda physics, robot, size: np.full((8, 8, 3), robot, np.uint8))


def test_every_wrapper_of_gymnasium_is_in_the_tables() -> None:
    assert set(AROUND_ONE) == set(wrappers.__all__) - LEFT_OUT
    assert set(AROUND_MANY) == set(vector.__all__) - LEFT_OUT


@pytest.mark.parametrize("name", sorted(set(wrappers.__all__) - LEFT_OUT - {"HumanRendering"}))
def test_around_one_robot(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filmed: list[int]) -> None:
    for library in {"JaxToNumpy": ["jax"], "JaxToTorch": ["jax", "torch"], "NumpyToTorch": ["torch"]}.get(name, []):
        pytest.importorskip(library)
    options = {"render_mode": "rgb_array"} if name in DRAWN | PICTURES else {}
    env = gymnasium.make(FLAT, task=SHORT, backend="mujoco", privileged=name == "FilterObservation", **options)
    if options:
        drawing(env.unwrapped.batch.simulator, monkeypatch)
    if name in PICTURES:
        with pytest.raises(ValueError, match="image|channels|dimensions|shape"):
            wrapped(wrappers, name, env, SINGLE, tmp_path)
        assert "for pictures" in AROUND_ONE[name][0]
        if name == "ResizeObservation":
            pytest.importorskip("cv2")
        env = wrappers.AddRenderObservation(env, render_only=True)
    elif name == "TimeAwareObservation":
        with pytest.raises(ValueError, match="TimeLimit"):
            wrapped(wrappers, name, env, SINGLE, tmp_path)
        env = wrappers.TimeLimit(env, 100)
    else:
        assert AROUND_ONE[name][0].startswith("work")
    env = wrapped(wrappers, name, env, SINGLE, tmp_path)
    env.reset(seed=0)
    ends = 0
    for _ in range(12):
        action = env.action_space.sample()
        *_, terminated, truncated, _ = env.step(action * 0 if isinstance(action, np.ndarray) else action)
        if terminated or truncated:
            ends += 1
            if name != "Autoreset":
                env.reset()
    env.close()
    assert ends and (bool(filmed) == (name == "RecordVideo"))


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
@pytest.mark.parametrize("name", sorted(set(vector.__all__) - LEFT_OUT - {"HumanRendering"}))
def test_around_a_batch(
    name: str, mode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filmed: list[int]
) -> None:
    for library in {"JaxToNumpy": ["jax"], "JaxToTorch": ["jax", "torch"], "NumpyToTorch": ["torch"]}.get(name, []):
        pytest.importorskip(library)
    options = {"render_mode": "rgb_array"} if name in DRAWN else {}
    env = gymnasium.make_vec(
        FLAT, num_envs=3, task=SHORT, backend="mujoco", autoreset_mode=mode, stagger=False,
        privileged=name == "FilterObservation", **options,
    )  # fmt: skip
    if options:
        drawing(env.simulator, monkeypatch)
    said = AROUND_MANY[name][0 if mode == "same_step" else 1]
    make: Callable[[], Any] = lambda: wrapped(vector, name, env, BATCH, tmp_path)  # noqa: E731
    if "refused" in said:
        with pytest.raises(ValueError, match="NEXT_STEP|image|channels"):
            make()
        return
    assert said.startswith("work") or said == "the same"
    around = make()
    around.reset(seed=0)
    ends = 0
    for _ in range(12):
        *_, terminated, truncated, _ = around.step(around.action_space.sample() * 0)
        ends += int(np.sum(np.asarray(terminated) | np.asarray(truncated)))
    around.close()
    assert ends >= 3 and (bool(filmed) == (name == "RecordVideo"))


def test_a_batch_of_torch_arrays_is_for_the_outermost_wrapper() -> None:
    pytest.importorskip("torch")
    env = vector.NumpyToTorch(
        vector.RecordEpisodeStatistics(gymnasium.make_vec(FLAT, num_envs=2, task=SHORT, backend="mujoco"))
    )
    env.reset(seed=0)
    for _ in range(6):
        *_, info = env.step(env.action_space.sample() * 0)
    assert "NumpyToTorch outermost" in PAGE


def test_lists_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    env = gymnasium.make(FLAT, task=SHORT, backend="mujoco", render_mode="rgb_array_list")
    drawing(env.unwrapped.batch.simulator, monkeypatch)
    env.reset(seed=0)
    env.step(np.zeros(12, np.float32))
    assert len(env.render()) == 2
