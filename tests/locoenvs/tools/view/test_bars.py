from __future__ import annotations

from locoenvs.tools.view import bars


def test_a_bar_goes_to_the_side_of_its_sign_and_the_longest_fills_its_half() -> None:
    html = bars.signed([("speed", 2.0), ("foot_slip", -1.0)])
    assert "left:50.0%;width:50.0%" in html and "left:25.0%;width:25.0%" in html
    assert "foot slip" in html and "+2.00" in html and "-1.00" in html
    assert "width:0.0%" in bars.signed([("nothing", 0.0)])


def test_a_torque_at_its_limit_is_red() -> None:
    html = bars.limited([("hip", -40.0, 80.0), ("knee", 90.0, 80.0)])
    assert "width:50.0%;background:" + bars.CALM in html and "width:100.0%;background:" + bars.BAD in html


def test_names_are_text() -> None:
    assert "<script>" not in bars.signed([("<script>", 1.0)])
