"""PPO's settings as the learners here take them, and what they amount to on a task."""

from __future__ import annotations

from locoenvs.training.geometry import check_memory, geometry
from locoenvs.training.ppo import WALK_FLAT, WALK_ROUGH, PPOConfig, changed_ppo, config

__all__ = ["WALK_FLAT", "WALK_ROUGH", "PPOConfig", "changed_ppo", "check_memory", "config", "geometry"]
