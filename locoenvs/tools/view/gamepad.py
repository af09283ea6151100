"""A gamepad on the machine that runs the viewer, by Linux' joystick interface (Documentation/input/joydev of the kernel)."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from locoenvs.tools.view.commands import Order

DEVICE = Path("/dev/input/js0")
AGAIN = 2.0
"""s until a gamepad that is not there is looked for again."""
FASTEST = 1.0
"""m/s and rad/s of a stick that is all the way out."""
DEAD = 0.12
"""Share of a stick's way that means nothing."""

_EVENT = struct.Struct("<IhBB")  # time in ms, value, kind, number
_BUTTON, _AXIS = 1, 2  # what it says of itself at the beginning has 0x80 added
_AXES = {1: ("forward", -1), 0: ("sideways", -1), 3: ("yaw_rate", -1)}
"""Left stick and the horizontal of the right one, as most gamepads number them; sticks count to the right and down."""
_BUTTONS = {0: "push", 1: "reset here", 7: "pause"}


class Gamepad:
    """Reads the sticks and buttons of ``device``, which may come and go."""

    def __init__(self, device: Path = DEVICE) -> None:
        self.device = device
        self._file: int | None = None
        self._look_at = -AGAIN

    @property
    def there(self) -> bool:
        return self._file is not None

    def poll(self, now: float, order: Order) -> tuple[Order, list[str], str]:
        """The order as the sticks have it if one was moved, the buttons that were pressed, and what is to be said.

        Where the gamepad vanishes the robots stop. ``now`` is s of any clock.
        """
        if self._file is None:
            return order, [], self._opened(now)
        pressed, moved = list[str](), dict[str, float]()
        try:
            while len(event := os.read(self._file, _EVENT.size)) == _EVENT.size:
                _, value, kind, number = _EVENT.unpack(event)
                if kind == _BUTTON and value and number in _BUTTONS:
                    pressed.append(_BUTTONS[number])
                elif kind == _AXIS and number in _AXES:
                    name, sign = _AXES[number]
                    share = sign * value / 32767
                    moved[name] = FASTEST * share if abs(share) > DEAD else 0.0
        except BlockingIOError:
            return (order.changed(**moved) if moved else order), pressed, ""
        except OSError:
            pass
        self.close()
        self._look_at = now + AGAIN
        return Order(), [], f"the gamepad {self.device} is gone: the robots stand still"

    def close(self) -> None:
        """Let go of the device."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self, now: float) -> str:
        """What is to be said of a gamepad that is there now."""
        if now < self._look_at:
            return ""
        self._look_at = now + AGAIN
        try:
            self._file = os.open(self.device, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return ""
        return f"gamepad {self.device}"
