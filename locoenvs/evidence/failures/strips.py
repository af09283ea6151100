"""Strips of pictures of the two seconds before a fall: the kept state done again, and drawn now and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from locoenvs.envs.saved_state import rows_of, together
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.failures.causes import Fall
from locoenvs.evidence.failures.keeper import BEFORE
from locoenvs.evidence.failures.replay import again, begin_of, both, environment, rows
from locoenvs.evidence.video import labelled

FRAMES = 8
"""Pictures of a strip, evenly spaced; the last one is the fall's."""

SIZE = 256, 192
"""Of a picture: width, height, pixels."""

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Strip:
    """The pictures of one robot's fall, (height, width, 3) uint8 side by side, and whether it was the same bit by bit."""

    picture: np.ndarray
    exact: bool


def strips_of(
    archive: Archive, robots: Sequence[int], progress: Callable[[float], None] = lambda share: None
) -> dict[int, Strip]:
    """A strip of each of the robots, whose falls were kept. ``progress`` hears the share that is done."""
    if not robots:
        return {}
    falls = [fall for robot in robots if (fall := archive.fall(robot)) is not None]
    begin = both([begin_of(archive, fall.robot) for fall in falls])
    dt = archive.panel.task.timing.control_dt
    between = max(round(BEFORE / (FRAMES - 1) / dt), 1)
    own = rows(archive, begin.state["episodes.robot"])
    moments: list[list[tuple[float, State]]] = [[] for _ in falls]

    def look(env: LocoVectorEnv, step: int, alive: np.ndarray) -> None:
        left = [fall.step - int(before) - step for fall, before in zip(falls, begin.steps)]
        due = [n for n, steps in enumerate(left) if 0 <= steps < FRAMES * between and steps % between == 0]
        saved = env.save() if due else {}
        for index in due:
            moments[index].append((left[index] * dt, rows_of(saved, [own[index]])))

    rerun = again(archive, begin, look)
    drawing, strips = environment(archive, FRAMES, render_mode="rgb_array", width=SIZE[0], height=SIZE[1]), {}
    try:
        for index, fall in enumerate(falls):
            exact = bool(rerun.checksums[index] == archive.checksums[fall.robot])
            strips[fall.robot] = Strip(_drawn(drawing, moments[index], fall), exact)
            progress((index + 1) / len(falls))
    finally:
        drawing.close()
    return strips


def _drawn(env: LocoVectorEnv, moments: list[tuple[float, State]], fall: Fall) -> np.ndarray:
    """The moments of a fall side by side: each is a robot of its own, on which the camera looks at once."""
    states = [state for _, state in moments]
    env.restore(together([*states, *[states[-1]] * (FRAMES - len(states))]))
    pictures = env.render() or ()
    texts = [f"-{left:.2f} s" if left else "fall" for left, _ in moments]
    return np.concatenate([labelled(picture, text, 13) for picture, text in zip(pictures, texts)], axis=1)
