from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from locoenvs.tools.view.commands import Order
from locoenvs.tools.view.gamepad import Gamepad

AXIS, BUTTON, BEGIN = 2, 1, 0x80


def event(kind: int, number: int, value: int) -> bytes:
    return struct.pack("<IhBB", 0, value, kind, number)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A pipe says what the kernel's joystick device would."""
    path = tmp_path / "js0"
    os.mkfifo(path)
    return path


def test_sticks_and_buttons(device: Path) -> None:
    gamepad = Gamepad(device)
    kernel = os.open(device, os.O_RDWR)
    order, pressed, said = gamepad.poll(0.0, Order())
    assert (order, pressed) == (Order(), []) and said == f"gamepad {device}"
    os.write(kernel, event(AXIS | BEGIN, 1, -32767) + event(BUTTON | BEGIN, 0, 1))  # how it stood when it was opened
    assert gamepad.poll(0.1, order) == (order, [], "")
    os.write(kernel, event(AXIS, 1, -32767) + event(AXIS, 3, 16384) + event(AXIS, 0, 1000) + event(BUTTON, 7, 1))
    order, pressed, said = gamepad.poll(0.2, order)
    assert (order.mode, order.forward, order.sideways) == ("yaw rate", 1.0, 0.0)
    assert order.yaw_rate == pytest.approx(-0.5, abs=1e-3) and pressed == ["pause"] and said == ""
    assert gamepad.poll(0.3, order) == (order, [], "")  # nothing moved
    os.close(kernel)
    gamepad.close()


def test_where_it_vanishes_the_robots_stop_and_it_may_come_again(device: Path) -> None:
    gamepad = Gamepad(device)
    kernel = os.open(device, os.O_RDWR)
    gamepad.poll(0.0, Order())
    os.write(kernel, event(AXIS, 1, -32767))
    order, _, _ = gamepad.poll(0.1, Order())
    assert order.forward == 1.0 and gamepad.there
    os.close(kernel)
    order, pressed, said = gamepad.poll(0.2, order)
    assert order == Order() and pressed == [] and "is gone" in said and not gamepad.there
    kernel = os.open(device, os.O_RDWR)
    assert gamepad.poll(0.3, order)[2] == "" and not gamepad.there  # it is looked for now and then
    assert gamepad.poll(5.0, order)[2] == f"gamepad {device}"
    os.close(kernel)
    gamepad.close()


def test_there_need_not_be_one(tmp_path: Path) -> None:
    gamepad = Gamepad(tmp_path / "none")
    assert gamepad.poll(0.0, Order()) == (Order(), [], "")
    gamepad.close()
