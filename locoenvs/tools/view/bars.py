"""Numbers as bars, in HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_ROW = (
    '<div style="display:flex;align-items:center;height:19px;font-size:11px">'
    '<span style="flex:0 0 50%;overflow:hidden;white-space:nowrap;text-overflow:ellipsis" title="{name}">{dot}{name}</span>'
    '<span style="flex:1;position:relative;height:11px;background:#eceff2;border-radius:2px;overflow:hidden">'
    '<span style="position:absolute;top:0;bottom:0;left:{left:.1f}%;width:{width:.1f}%;background:{color}"></span></span>'
    '<span style="flex:0 0 {room}px;text-align:right;font-variant-numeric:tabular-nums">{text}</span></div>'
)
_DOT = (
    '<span style="display:inline-block;width:8px;height:8px;border-radius:4px;margin-right:5px;background:{}"></span>'
)
COLORS = (
    "#2ea043", "#1f6feb", "#d62828", "#eb8214", "#8250df", "#0aa5a5", "#bf3989", "#7d6608", "#57606a",
    "#b4530a", "#16697a", "#9c6ade", "#3d5a80",
)  # fmt: skip
"""Of lines, one after another, and of the dots that tell which is which."""
GOOD, BAD, CALM = "#2ea043", "#d62828", "#1f6feb"


def signed(values: Iterable[tuple[str, float]]) -> str:
    """A bar for each (name, value), from the middle to the right where it is positive; the longest fills its half.

    Names have a dot in the color of their line.
    """
    pairs = list(values)
    most = max((abs(value) for _, value in pairs), default=0.0) or 1.0
    rows = []
    for index, (name, value) in enumerate(pairs):
        width, dot = 50 * min(abs(value) / most, 1.0), _DOT.format(COLORS[index % len(COLORS)])
        left, color = (50, GOOD) if value >= 0 else (50 - width, BAD)
        rows.append(_row(name, left, width, color, f"{value:+.2f}", 46, dot))
    return _whole("bars-rewards", rows)


def limited(values: Iterable[tuple[str, float, float]]) -> str:
    """A bar for each (name, value, limit): the share of the limit, red from 95 % on."""
    rows = []
    for name, value, limit in values:
        share = min(abs(value) / limit, 1.0)
        color = BAD if share >= 0.95 else CALM
        rows.append(_row(name, 0, 100 * share, color, f"{value:+.0f} / {limit:.0f}", 64))
    return _whole("bars-torques", rows)


def _row(name: str, left: float, width: float, color: str, text: str, room: int, dot: str = "") -> str:
    shown = escape(name.replace("_", " "))
    return _ROW.format(name=shown, left=left, width=width, color=color, text=text, room=room, dot=dot)


def _whole(identity: str, rows: list[str]) -> str:
    return f'<div id="{identity}" style="padding:4px 10px">{"".join(rows)}</div>'
