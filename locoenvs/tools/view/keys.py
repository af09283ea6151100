"""The keys of the page. A key is pressed, not held: each press changes a command by a step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from locoenvs.tools.view.commands import Order
from locoenvs.tools.view.falls import FallSession
from locoenvs.tools.view.viewer import Viewer

if TYPE_CHECKING:
    import viser

STEP = 0.1
"""m/s and rad/s of a press."""

DRIVE = {
    "I": ("Faster forward", "forward", STEP),
    "K": ("Slower, or backward", "forward", -STEP),
    "U": ("To the left", "sideways", STEP),
    "O": ("To the right", "sideways", -STEP),
    "J": ("Turn left", "yaw_rate", STEP),
    "L": ("Turn right", "yaw_rate", -STEP),
}


def actions(viewer: Viewer, strength: Callable[[], float]) -> dict[str, tuple[str, Callable[[], None]]]:
    """Key -> what it is called and does."""
    session = viewer.session

    def drive(name: str, by: float) -> None:
        session.order = session.order.changed(**{name: round(getattr(session.order, name) + by, 6)})

    def stop() -> None:
        session.order = Order()

    by_key: dict[str, tuple[str, Callable[[], None]]] = {
        "space": ("Pause, or go on", viewer.pause),
        "enter": ("One step", viewer.clock.single),
        "R": ("Reset", session.reset),
        "P": ("Push from the right", lambda: viewer.push(strength(), 90.0)),
    }
    if isinstance(session, FallSession):
        go = lambda by: lambda: viewer.begin(partial(session.go, by))  # noqa: E731
        return by_key | {"N": ("Next fall", go(1)), "B": ("Fall before", go(-1))}
    for key, (label, name, by) in DRIVE.items():
        by_key[key] = label, partial(drive, name, by)
    return by_key | {"X": ("Stand still", stop), "H": ("Reset here", session.reset_here)}


def bind(gui: viser.GuiApi, viewer: Viewer, strength: Callable[[], float]) -> None:
    """Bind the keys, which the page's list of commands (Ctrl+K) shows too."""
    for key, (label, action) in actions(viewer, strength).items():
        hotkey: Any = key
        handle = gui.add_command(label, hotkey=hotkey)
        handle.on_trigger(partial(_post, viewer, action))


def _post(viewer: Viewer, action: Callable[[], None], event: object) -> None:
    viewer.post(action)
