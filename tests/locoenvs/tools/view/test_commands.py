from __future__ import annotations

import math

from locoenvs.tools.view.commands import Order


def test_an_order_is_by_hand_once_it_is_changed_and_within_bounds() -> None:
    assert Order().mode == "hold"
    assert Order().changed(forward=9.0) == Order("yaw rate", forward=3.0)
    assert Order("heading").changed(sideways=-1.0) == Order("heading", sideways=-1.0)
    assert Order("heading").changed(heading=math.pi + 0.5).heading == -math.pi + 0.5
