"""What version 0.1.0 called otherwise is found where it was, and says where it is now."""

import importlib
import sys

import pytest

from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.suite import SuiteRobot
from locoenvs.tools.robot_check import Check


@pytest.mark.parametrize("name", ["robot", "suite"])
def test_robot_files_of_0_1_0_find_what_they_import(name: str) -> None:
    sys.modules.pop(f"locoenvs.{name}", None)
    with pytest.warns(DeprecationWarning, match=f"locoenvs.{name} is locoenvs.tasks.{name} now"):
        old = importlib.import_module(f"locoenvs.{name}")
    new = importlib.import_module(f"locoenvs.tasks.{name}")
    assert all(getattr(old, public) is getattr(new, public) for public in vars(new) if not public.startswith("_"))


def test_the_rewards_of_a_suite_robot_of_0_1_0_are_changes() -> None:
    with pytest.warns(DeprecationWarning, match="suite robot 'Toy': rewards= is changes= now") as told:
        toy = SuiteRobot("Toy", ROBOTS["A1"], rewards={"tracking_width": 0.5, "clip_at_zero": False})
    assert told[0].filename == __file__, "whoever calls it is told where"
    assert toy.changes == {
        "rewards.terms.linear_velocity_tracking.parameters.width": 0.5,
        "rewards.terms.angular_velocity_tracking.parameters.width": 0.5,
        "rewards.clip_at_zero": False,
    }


def test_what_a_check_of_a_robot_found_is_its_finding() -> None:
    with pytest.warns(DeprecationWarning, match="Check.found is Check.finding now"):
        assert Check("mass", True, "42 kg").found == "42 kg"
