"""Gymnasium-compatible legged-locomotion environments with pluggable physics.

>>> import gymnasium
>>> env = gymnasium.make("Loco/AnymalC-Rough-v0", num_envs=4096)  # doctest: +SKIP
"""

from locoenvs.install import checkout

if (_root := checkout()) is not None:
    __path__.append(str(_root))  # backends/, wrappers/ and benchmarks/ lie beside this folder, and belong to it

from locoenvs.envs.pure import functional
from locoenvs.envs.registration import register, task
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import observation_slot, randomization, reward_term, termination, tile_kind

__version__ = "0.2.0.dev0"
__all__ = [
    "LocoVectorEnv",
    "Task",
    "functional",
    "observation_slot",
    "randomization",
    "register",
    "reward_term",
    "task",
    "termination",
    "tile_kind",
]

register()
