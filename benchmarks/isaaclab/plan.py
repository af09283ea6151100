"""The parts, and what each passes at."""

from __future__ import annotations

from typing import Literal

Part = Literal["order", "air", "standing", "friction", "fresh", "rough", "panel", "learn"]
PARTS: tuple[Part, ...] = ("order", "air", "standing", "friction", "fresh", "rough", "panel", "learn")

ROUGH = "Loco/AnymalC-Rough-v0"

LIMITS = {
    "joints_rad": 1e-6,
    "feet_m": 1e-4,
    "air_rad": 1e-3,
    "weight_share": 0.01,
    "friction_share": 0.05,
    "fresh": 1e-5,
    "fall_rate": 0.05,
    "velocity_error": 0.2,
}
"""What a part passes at."""
