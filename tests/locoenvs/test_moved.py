"""What version 0.1.0 called otherwise is found where it was, and says where it is now."""

import importlib
import sys

import pytest


@pytest.mark.parametrize("name", ["robot", "suite"])
def test_robot_files_of_0_1_0_find_what_they_import(name: str) -> None:
    sys.modules.pop(f"locoenvs.{name}", None)
    with pytest.warns(DeprecationWarning, match=f"locoenvs.{name} is locoenvs.tasks.{name} now"):
        old = importlib.import_module(f"locoenvs.{name}")
    new = importlib.import_module(f"locoenvs.tasks.{name}")
    assert all(getattr(old, public) is getattr(new, public) for public in vars(new) if not public.startswith("_"))
