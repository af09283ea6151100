"""What the page tells in text, bars and lines."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from locoenvs.tools.view import bars
from locoenvs.tools.view.history import SECONDS, History
from locoenvs.tools.view.viewer import MOTION, Viewer

if TYPE_CHECKING:
    import viser

HEIGHT = 150
UNITS = {
    "forward": "forward, m/s (dashed: told)",
    "sideways": "to the left, m/s (dashed: told)",
    "yaw rate": "yaw rate, rad/s (dashed: told)",
}


class Charts:
    """The panel on the left: state, rewards, motion, torques, ends of episodes."""

    def __init__(self, server: viser.ViserServer, viewer: Viewer, width: int) -> None:
        gui, self._viewer = server.gui, viewer
        panel = gui.add_panel()
        with panel.add_tab("Rewards"):
            self._state = gui.add_html("")
            self._rewards = gui.add_html("")
            self._reward_lines = self._lines(
                gui, viewer.rewards, [{"label": n, "width": 1.5} for n in viewer.rewards.names]
            )
            self._ends = gui.add_html("")
        with panel.add_tab("Motion"):
            self._motion_lines = [self._lines(gui, viewer.motion, self._pair(pair), pair) for pair in (0, 2, 4)]
        with panel.add_tab("Torques"):
            self._torques = gui.add_html("")
        panel.dock_left()
        panel.set_width(width)

    def refresh(self) -> None:
        """Show what is."""
        viewer = self._viewer
        self._state.content = state(viewer)
        self._rewards.content = bars.signed(viewer.latest.items())
        self._reward_lines.data = tuple(_since_now(viewer.rewards))
        motion = _since_now(viewer.motion)
        for pair, chart in zip((0, 2, 4), self._motion_lines):
            chart.data = (motion[0], motion[1 + pair], motion[2 + pair])
        joints = viewer.session.task.robot.joints
        torque = viewer.session.readout.joint_torque[viewer.watched]
        self._torques.content = bars.limited((j.name, float(t), j.torque_limit) for j, t in zip(joints, torque))
        self._ends.content = ends(viewer)

    def _lines(self, gui: Any, history: History, series: list[dict[str, Any]], pair: int | None = None) -> Any:
        table = history.table()
        data = tuple(table) if pair is None else (table[0], table[1 + pair], table[2 + pair])
        drawn = [{"stroke": bars.COLORS[index % len(bars.COLORS)], **each} for index, each in enumerate(series)]
        return gui.add_uplot(
            data,
            ({"label": "s"}, *drawn),
            scales={"x": {"time": False, "range": (-SECONDS, 0.0)}},
            axes=({"size": 28}, {"size": 44}),
            legend={"show": False},
            title=None if pair is None else UNITS[MOTION[pair + 1]],
            height=HEIGHT,
        )

    @staticmethod
    def _pair(first: int) -> list[dict[str, Any]]:
        told = {"label": MOTION[first], "dash": (6, 4), "stroke": bars.COLORS[0], "width": 1.5}
        return [told, {"label": MOTION[first + 1], "stroke": bars.COLORS[1], "width": 1.5}]


def _since_now(history: History) -> np.ndarray:
    """The table of a history with times before its last one."""
    table = history.table().copy()
    table[0] -= table[0, -1]
    return table


def state(viewer: Viewer) -> str:
    """How it goes, in a few lines."""
    session, clock = viewer.session, viewer.clock
    x, y, z = session.readout.base_position[viewer.watched]
    policy = session.policy
    named = (
        "no policy, it stands"
        if policy is None
        else policy.folder.parent.name
        if policy.folder.name == "policy"
        else policy.folder.name
    )
    pace = "paused" if clock.paused else f"{clock.rate:.0f} steps/s, {clock.dropped_share:.1%} dropped"
    rows = [
        f"<b>{escape(session.task.robot.name)}</b>, {escape(named)}",
        f"{viewer.time:.1f} s, {pace}",
        f'robot {viewer.watched} at <span id="place">{x:.2f} {y:.2f} {z:.2f}</span> m',
        f'<span id="said" style="color:#b35900">{escape(viewer.said)}</span>',
    ]
    return f'<div style="padding:6px 10px;font-size:12px;line-height:1.45;min-height:70px">{"<br>".join(rows)}</div>'


def ends(viewer: Viewer) -> str:
    """Why episodes ended: how often each, and the latest ones."""
    total = (
        ", ".join(f"{count} {escape(reason.replace('_', ' '))}" for reason, count in viewer.counts.items()) or "none"
    )
    latest = [
        f"{time:.1f} s: robot {end.robot}, {escape(end.reason.replace('_', ' '))} after {end.seconds:.1f} s"
        for time, end in viewer.ends
    ]
    rows = "<br>".join([f"<b>Episodes that ended: {total}</b>", *latest])
    return f'<div id="ends" style="padding:4px 10px;font-size:11px;line-height:1.4">{rows}</div>'
