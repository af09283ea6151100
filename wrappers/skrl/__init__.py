"""SKRL on torch: the adapter for any of its agents, and PPO as in the paper. On JAX: ``locoenvs.wrappers.skrl.with_jax``."""

from contextlib import ExitStack
from unittest import mock

from locoenvs.training.ranks import asked
from locoenvs.wrappers.extras import needs

with ExitStack() as importing:
    importing.enter_context(needs("skrl"))
    if asked() > 1:  # SKRL would join them as it is imported, by NCCL on GPUs alone: locoenvs.training.ranks does that
        for name in ("distributed.init_process_group", "cuda.set_device"):
            importing.enter_context(mock.patch(f"torch.{name}"))
    from locoenvs.wrappers.skrl.env import SkrlEnv
    from locoenvs.wrappers.skrl.learner import train
    from locoenvs.wrappers.skrl.ppo import Actor, Critic, TimeoutPPO, skrl_config

LEARNER = train
"""What ``locoenvs train --learner skrl`` calls."""

__all__ = ["LEARNER", "Actor", "Critic", "SkrlEnv", "TimeoutPPO", "skrl_config", "train"]
