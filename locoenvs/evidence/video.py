"""Videos of one robot that follows a schedule of commands. They need imageio-ffmpeg and Pillow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from locoenvs import install
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.state import Camera
from locoenvs.policies.policy import episodes_begin
from locoenvs.tasks.task import Commands, Curriculum, Start, Task

FRAMES_PER_SECOND = 25

FORMATS = {
    ".mp4": ("libx264", ["-crf", "23"]),
    ".webm": ("libvpx-vp9", ["-crf", "34", "-b:v", "0", "-row-mt", "1", "-deadline", "realtime", "-cpu-used", "6"]),
    ".gif": (
        "gif",
        [
            "-filter_complex",
            "fps=12.5,scale='min(640,iw)':-2,split[a][b];[a]palettegen=max_colors=96[p];[b][p]paletteuse",
        ],
    ),
}
"""Kinds of video by the end of their names: codec, and what ffmpeg is told."""

Policy = Callable[[np.ndarray], np.ndarray]
"""Observations (N, D) to actions (N, J)."""


@dataclass(frozen=True)
class Leg:
    """A command that is given for a while: m/s, m/s, rad/s."""

    seconds: float
    forward: float = 0.0
    sideways: float = 0.0
    yaw_rate: float = 0.0

    @property
    def text(self) -> str:
        """The command in words."""
        named = (("forward", self.forward, "m/s"), ("sideways", self.sideways, "m/s"), ("turn", self.yaw_rate, "rad/s"))
        parts = [f"{name} {value:+.1f} {unit}" for name, value, unit in named if value]
        return ", ".join(parts) or "stand"


SCHEDULE = (
    Leg(1.5),
    Leg(4.0, forward=0.8),
    Leg(3.0, sideways=0.5),
    Leg(3.0, yaw_rate=0.8),
    Leg(3.0, forward=-0.6),
    Leg(4.0, forward=0.8, yaw_rate=0.6),
    Leg(1.5),
)
"""A bit of everything."""


@dataclass(frozen=True)
class Look:
    """How a video looks: ``size`` (width, height) in pixels, and where the robots are seen from."""

    size: tuple[int, int] = (640, 480)
    camera: Camera = "corner"


def record(
    policy: Policy | Mapping[str, Policy],
    task: Task,
    path: Path,
    seconds: float | None = None,
    schedule: Sequence[Leg] = SCHEDULE,
    robot: int | Sequence[int] = 0,
    backend: str = "auto",
    overlay: bool = True,
    look: Look = Look(),
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Write a video (.mp4, .webm or .gif) of a robot that follows ``schedule``, in real time; of several, all in one picture.

    ``seconds`` is the video's length, the schedule's without; a schedule that is shorter starts over. On a map of tiles
    a robot starts on the tile of level ``robot // columns`` in column ``robot % columns``. ``overlay`` writes the
    command into the picture. Several policies, name -> policy, do the same side by side, under their names. ``progress`` hears the share
    that is done. Raises ValueError for a video too short for a picture or of another kind.
    """
    length = once = sum(leg.seconds for leg in schedule)
    if seconds is not None:
        length = seconds
    if length <= 0 or once <= 0:
        raise ValueError(f"a video and its schedule must last longer than 0 s, got {length} s and {once} s")
    dt = task.timing.control_dt
    least = math.ceil(1 / (FRAMES_PER_SECOND * dt) - 1e-6)
    if round(length / dt) < least:
        raise ValueError(f"a video of {length:g} s has no picture: it must last at least {least * dt:g} s")
    shown_by = policy if isinstance(policy, Mapping) else {"": policy}
    takes = [_frames(each, task, length, schedule, robot, backend, look) for each in shown_by.values()]
    with Film(path) as film, ExitStack() as stack:
        for take in takes:
            stack.callback(take.close)
        for index, shown in enumerate(zip(*takes)):
            leg = shown[0][1].text if overlay else ""
            texts = [": ".join(filter(None, (name, leg))) for name in shown_by]
            frames = [labelled(frame, text) if text else frame for (frame, _), text in zip(shown, texts)]
            film.add(np.concatenate(frames, axis=1))
            progress(min((index + 1) / (length * FRAMES_PER_SECOND), 1.0))


class Film:
    """A video that is written picture by picture, :data:`FRAMES_PER_SECOND` of them. The file is there once it is whole: until the end
    it is called NAME.part, and what ends with an error leaves nothing.

    Raises ValueError for a name that does not end in one of :data:`FORMATS`.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in FORMATS:
            raise ValueError(f"{path}: a video's name must end in {', '.join(FORMATS)}")
        self._path, self._part = path, path.with_name(f"{path.name}.part")
        self._writer: Generator[None, Any, None] | None = None

    def __enter__(self) -> Film:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.close()
        if error is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)

    def add(self, frame: np.ndarray, text: str = "") -> None:
        """One more picture (height, width, 3) uint8, with a text in its lower left corner."""
        picture = labelled(frame, text) if text else frame
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _writer(self._part, self._path.suffix[1:], picture.shape[1], picture.shape[0])
        self._writer.send(np.ascontiguousarray(picture))


def contact_sheet(video: Path, path: Path, count: int = 12, columns: int = 4) -> None:
    """Write a picture with ``count`` frames of a video, evenly spaced, in rows from left to right."""
    from PIL import Image

    frames = _read(video)
    chosen = [frames[index] for index in np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(int)]
    blank = np.full_like(chosen[0], 255)
    chosen += [blank] * (-len(chosen) % columns)
    rows = [np.concatenate(chosen[start : start + columns], axis=1) for start in range(0, len(chosen), columns)]
    sheet = Image.fromarray(np.concatenate(rows, axis=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.resize((sheet.width // 2, sheet.height // 2)).save(path)


def _frames(
    policy: Policy,
    task: Task,
    length: float,
    schedule: Sequence[Leg],
    robot: int | Sequence[int],
    backend: str,
    look: Look,
) -> Generator[tuple[np.ndarray, Leg]]:
    """The frames of the robot or robots, and the command that they follow in each."""
    dt = task.timing.control_dt
    steps = round(length / dt)
    ready = dataclasses.replace(
        task,
        timing=dataclasses.replace(task.timing, episode_length=length + 1.0),
        curriculum=Curriculum(enabled=False),
        commands=Commands(forward=_widest(schedule, length), sideways=(0.0, 0.0), mode="yaw_rate"),
        randomization=dataclasses.replace(
            task.randomization,
            pushes=None,
            start=Start(position=0.0, joint_scale=(1.0, 1.0), velocity=0.0, random_heading=False),
        ),
    )
    camera: dict[str, Camera] = (
        {} if look.camera == "corner" else {"camera": look.camera}
    )  # what a backend may not have
    count = 1 + (robot if isinstance(robot, int) else max(robot))
    env = LocoVectorEnv(ready, count, backend=backend, stagger=False)
    try:
        observation, _ = env.reset(seed=0)
        episodes_begin(policy)
        shown = 0
        for step in range(steps):
            leg = _leg(schedule, step * dt)
            _command(env, leg)
            observation, _, terminated, truncated, _ = env.step(policy(observation))
            if (done := terminated | truncated).any():
                episodes_begin(policy, done)
            if (step + 1) * dt * FRAMES_PER_SECOND >= shown + 1 - 1e-6:
                shown += 1
                yield env.simulator.render(env.state.physics, robot, look.size, **camera), leg
    finally:
        env.close()


def _widest(schedule: Sequence[Leg], length: float) -> tuple[float, float]:
    """Speeds forward, m/s, that lead a robot as far in ``length`` s as the schedule does: they say how wide a map must be."""
    once = sum(leg.seconds for leg in schedule)
    path = sum(leg.seconds * math.hypot(leg.forward, leg.sideways) for leg in schedule) * math.ceil(length / once)
    speed = path / (length + 1.0)
    return -speed, speed


def _leg(schedule: Sequence[Leg], time: float) -> Leg:
    """The leg of the schedule, which starts over at its end, at a time in s."""
    time %= sum(leg.seconds for leg in schedule)
    for leg in schedule:
        if time < leg.seconds:
            return leg
        time -= leg.seconds
    return schedule[-1]


def _command(env: LocoVectorEnv, leg: Leg) -> None:
    """Give all robots the command of a leg."""
    state, xp = env.state, env.mdp.xp
    row = np.array([[leg.forward, leg.sideways, leg.yaw_rate, 0.0]], dtype=np.float32)
    given = xp.asarray(np.repeat(row, env.num_envs, axis=0), device=env.simulator.device)
    env.state = dataclasses.replace(state, episodes=dataclasses.replace(state.episodes, command=given))


def labelled(frame: np.ndarray, text: str, size: int = 20) -> np.ndarray:
    """The frame with a text in its lower left corner, dark on a light band, letters ``size`` pixels high."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ImportError(f"writing on pictures needs Pillow: {install.line('viz')}") from error
    image = Image.fromarray(frame)
    draw, font, margin = ImageDraw.Draw(image), ImageFont.load_default(size=size), size // 4
    place = (size * 0.7, image.height - 1.8 * size)
    left, top, right, bottom = draw.textbbox(place, text, font=font)
    draw.rectangle((left - margin - 1, top - margin, right + margin + 1, bottom + margin), fill=(245, 245, 245))
    draw.text(place, text, fill=(20, 20, 20), font=font)
    return np.asarray(image)


def _writer(path: Path, kind: str, width: int, height: int) -> Generator[None, Any, None]:
    codec, parameters = FORMATS[f".{kind}"]
    writer = _ffmpeg().write_frames(
        str(path), (width, height), fps=FRAMES_PER_SECOND, macro_block_size=2, codec=codec,
        pix_fmt_out="pal8" if codec == "gif" else "yuv420p", output_params=[*parameters, "-f", kind], ffmpeg_log_level="error",
    )  # fmt: skip
    writer.send(None)
    return writer


def _read(video: Path) -> list[np.ndarray]:
    reader = _ffmpeg().read_frames(str(video))
    width, height = next(reader)["size"]
    return [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]


def _ffmpeg() -> ModuleType:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError(f"videos need imageio-ffmpeg: {install.line('viz')}") from error
    return imageio_ffmpeg
