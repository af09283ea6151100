"""The controls of the page, by viser. Whatever is asked for is posted to the viewer, which does it between two steps."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from locoenvs.tools.view import setup
from locoenvs.tools.view.charts import Charts
from locoenvs.tools.view.commands import MODES, Order
from locoenvs.tools.view.falls import FallSession
from locoenvs.tools.view.keys import bind
from locoenvs.tools.view.scene import Scene
from locoenvs.tools.view.session import STRONGEST
from locoenvs.tools.view.setup import Setup
from locoenvs.tools.view.viewer import Viewer

if TYPE_CHECKING:
    import viser

REFRESH = 0.2
"""s between two looks at what is shown as text, bars and lines."""
WIDTH = 320
"""Pixels of the panel on each side."""
SIDES = {"behind": 0.0, "front": 180.0, "left": -90.0, "right": 90.0}
"""Where a push comes from, and where it goes to, degrees from the heading."""
SLOWEST = 0.05


class Panel:
    """The panels, right to drive and left to see."""

    def __init__(self, server: viser.ViserServer, viewer: Viewer, scene: Scene) -> None:
        self._gui, self._viewer, self._scene = server.gui, viewer, scene
        self._order: Order | None = None
        self._refreshed = -REFRESH
        self._asked, self._asking = set[str](), threading.Lock()
        self._gui.configure_theme(show_logo=False, show_share_button=False, brand_color=(31, 111, 235))
        main = self._gui.main_panel
        main.dock_right()
        main.set_width(WIDTH)
        self.charts = Charts(server, viewer, WIDTH)
        self._falls = viewer.session if isinstance(viewer.session, FallSession) else None
        self._add_time()
        if self._falls is None:
            self._add_drive()
        else:
            self._add_falls(self._falls)
        self._add_pushes()
        self._add_setup()
        self._add_show()
        bind(self._gui, viewer, self.strength)

        @server.scene.on_click()
        def _(event: Any) -> None:
            origin = scene.to_world(event.ray_origin)
            viewer.post(lambda: viewer.click(origin, event.ray_direction, self.strength()))

    def strength(self) -> float:
        """m/s of a push."""
        return float(self._strength.value)

    def refresh(self, now: float) -> None:
        """Show what is; ``now`` is s of any clock."""
        if now - self._refreshed < REFRESH:
            return
        self._refreshed = now
        viewer = self._viewer
        self._time.label = "Go on" if viewer.clock.paused else "Pause"
        self.charts.refresh()
        if self._falls is not None:
            fall = self._falls.fall
            self._fall.content = f"**Robot {fall.robot}**: {fall.words}"
        elif viewer.session.order != self._order:
            self._order = order = viewer.session.order
            self._mode.value = order.mode
            for name, slider in self._sliders.items():
                slider.value = float(getattr(order, name))
            self._sliders["heading"].visible = order.mode == "heading"
            self._sliders["yaw_rate"].visible = order.mode != "heading"
        if "level" in self._fields:
            self._fields["level"].visible = viewer.session.env.task.terrain.kind == "tiles"
        self._watched.value = viewer.watched

    def _on(self, handle: Any, action: Callable[[Any], None]) -> None:
        """Post ``action`` with the value whenever a user changes it."""
        self._on_user(handle, lambda value: self._viewer.post(lambda: action(value)))

    @staticmethod
    def _on_user(handle: Any, action: Callable[[Any], None]) -> None:
        """Do ``action`` with the value at once, in the server's thread, whenever a user, and not this program, changes it."""

        @handle.on_update
        def _(event: Any) -> None:
            if event.client is not None:
                action(event.target.value)

    def _button(self, label: str, action: Callable[[], None], hint: str | None = None) -> Any:
        handle = self._gui.add_button(label, hint=hint)
        handle.on_click(lambda _: self._viewer.post(action))
        return handle

    def _group(self, label: str, actions: dict[str, Callable[[], None]], hint: str | None = None) -> None:
        handle = self._gui.add_button_group(label, tuple(actions), hint=hint)
        handle.on_click(lambda event: self._viewer.post(actions[event.target.value]))

    def _add_time(self) -> None:
        viewer, session = self._viewer, self._viewer.session
        again: dict[str, Callable[[], None]] = {"step": viewer.clock.single, "reset": session.reset}
        if not isinstance(session, FallSession):
            again["here"] = session.reset_here
        with self._gui.add_folder("Time"):
            self._time = self._button("Pause", viewer.pause, "Key: space")
            hint = "Make one control step; begin again; stand up where the robot is"
            self._group("do", again, hint)
            speed = self._gui.add_slider("speed", SLOWEST, 1.0, 0.05, 1.0, hint="Share of real time")
        self._on(speed, lambda value: setattr(viewer.clock, "speed", value))

    def _add_drive(self) -> None:
        session, fastest = self._viewer.session, 1.5
        with self._gui.add_folder("Drive"):
            self._mode: Any = self._gui.add_dropdown("told", MODES, initial_value=session.order.mode)
            self._sliders: dict[str, Any] = {
                "forward": self._gui.add_slider("forward, m/s", -fastest, fastest, 0.05, 0.0, hint="Keys: I, K"),
                "sideways": self._gui.add_slider("left, m/s", -fastest, fastest, 0.05, 0.0, hint="Keys: U, O"),
                "yaw_rate": self._gui.add_slider("turn, rad/s", -fastest, fastest, 0.05, 0.0, hint="Keys: J, L"),
                "heading": self._gui.add_slider("heading, rad", -3.1, 3.1, 0.1, 0.0),
            }
        self._on(self._mode, lambda mode: self._tell(dataclasses.replace(session.order, mode=mode)))
        for name, slider in self._sliders.items():
            self._on(slider, partial(self._tell_by_hand, name))

    def _tell(self, order: Order) -> None:
        self._viewer.session.order = order

    def _tell_by_hand(self, name: str, value: float) -> None:
        self._tell(_by_hand(self._viewer.session.order, name, value))

    def _add_falls(self, falls: FallSession) -> None:
        go = lambda by: lambda: self._viewer.begin(partial(falls.go, by))  # noqa: E731
        with self._gui.add_folder("Falls"):
            self._fall = self._gui.add_markdown("")
            self._group("fall", {"before": go(-1), "again": go(0), "next": go(1)})

    def _add_pushes(self) -> None:
        viewer = self._viewer
        with self._gui.add_folder("Push"):
            self._strength = self._gui.add_slider(
                "strength, m/s", 0.1, STRONGEST, 0.1, 1.0, hint="Also by a click on a robot, or key P"
            )
            push = lambda degrees: lambda: viewer.push(self.strength(), degrees)  # noqa: E731
            self._group("from", {name: push(degrees) for name, degrees in SIDES.items()})

    def _add_setup(self) -> None:
        gui, task, wanted = self._gui, self._viewer.session.task, self._viewer.session.setup
        self._fields = dict[str, Any]()
        with gui.add_folder("Ground and robot"):
            if self._falls is None:
                choices = setup.grounds(task)
                self._fields["ground"] = gui.add_dropdown(
                    "ground", choices, initial_value=wanted.ground or setup.own_ground(task)
                )
                self._fields["level"] = gui.add_slider("level", 0, task.terrain.levels - 1, 1, wanted.level)
            self._fields["friction"] = gui.add_slider("friction", 0.0, 1.5, 0.05, 0.9)
            self._fields["payload"] = gui.add_slider("payload, kg", -10.0, 30.0, 0.5, 0.0)
            self._fields["drive"] = gui.add_dropdown("drive", ("pd", "lstm"), initial_value=task.actuator.kind)
            self._fields["delay"] = gui.add_slider("delay, ms", 0, 100, 5, 0, hint="Joint targets come so late")
            self._fields["noise"] = gui.add_slider("noise", 0.0, setup.MOST_NOISE, 0.25, 1.0, hint="Factor")
            self._fields["pushes"] = gui.add_checkbox("pushes as in training", wanted.pushes)
            if self._falls is None:
                self._fields["time_limit"] = gui.add_checkbox("time limit", wanted.time_limit)
            self._button("All as in the task", lambda: self._change(self._begin))
        self._begin = dataclasses.replace(wanted, friction=None, payload=None, drive=None, delay=None, noise=1.0)
        for name, handle in self._fields.items():
            self._on_user(handle, partial(self._ask, name))

    def _ask(self, name: str, _: Any) -> None:
        """Let a field count, with what it shows when its turn comes: building takes longer than a slider needs for its next value."""
        with self._asking:
            if not self._asked:
                self._viewer.post(self._answer)
            self._asked.add(name)

    def _answer(self) -> None:
        with self._asking:
            asked, self._asked = self._asked, set()
        wanted = {name: self._fields[name].value for name in asked}
        if "delay" in wanted:
            wanted["delay"] /= 1000
        self._change(dataclasses.replace(self._viewer.session.setup, **wanted))

    def _change(self, wanted: Setup) -> None:
        """Go on as it is wanted, or show again what is if that cannot be."""
        session, before = self._viewer.session, self._viewer.session.setup
        try:
            session.change(wanted)
            self._viewer.said = ""
        finally:
            if session.setup == before or wanted == self._begin:
                self._show_setup(session.setup)
            self._viewer.begin_again()

    def _show_setup(self, now: Setup) -> None:
        task = self._viewer.session.task
        friction = now.friction if now.friction is not None else 0.9
        shown = dataclasses.asdict(now) | {
            "ground": now.ground or setup.own_ground(task),
            "friction": friction,
            "payload": now.payload or 0.0,
            "drive": now.drive or task.actuator.kind,
            "delay": round(1000 * (now.delay or 0.0)),
        }
        for name, handle in self._fields.items():
            handle.value = shown[name]

    def _add_show(self) -> None:
        gui, viewer, scene = self._gui, self._viewer, self._scene
        most = viewer.session.robots - 1
        with gui.add_folder("Show", expand_by_default=False):
            self._watched: Any = gui.add_slider("robot", 0, max(most, 1), 1, 0, disabled=most == 0)
            self._on(self._watched, lambda value: setattr(viewer, "watched", min(value, most)))
            for name, label in (
                ("follow", "follow the robot"),
                ("forces", "contact forces"),
                ("samples", "height samples"),
                ("arrows", "command and velocity"),
            ):
                box = gui.add_checkbox(label, True)
                self._on(box, partial(setattr, scene, name))


def _by_hand(order: Order, name: str, value: float) -> Order:
    """The order after a slider was moved: by heading where it was the heading's."""
    changed = order.changed(**{name: value})
    if name in ("heading", "yaw_rate"):
        return dataclasses.replace(changed, mode="heading" if name == "heading" else "yaw rate")
    return changed
