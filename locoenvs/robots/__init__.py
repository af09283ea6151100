"""The robots of the suite, one file of data each."""

from __future__ import annotations

from locoenvs.robot import Robot
from locoenvs.robots.anymal_c import ANYMAL_C

ROBOTS: dict[str, Robot] = {"AnymalC": ANYMAL_C}
"""Name, as in an environment id, -> robot."""
