"""Isaac Lab's configuration of each task of the suite: ``<Name>EnvCfg`` for each of :data:`~.tasks.TASKS`.

What Isaac Lab's scripts set is honored: number of robots, device, seed; and the physics as ``env.physics_name``. The MDP is
the suite's task; what of it Isaac Lab's classes have fields for is filled in from it, and not read back.
"""

from __future__ import annotations

from typing import Any

from isaaclab.envs import DirectRLEnvCfg
from isaaclab.utils.configclass import configclass

from locoenvs.backends.isaaclab import requirements, scene
from locoenvs.backends.isaaclab.tasks import TASKS, class_name
from locoenvs.envs.registration import task as task_of
from locoenvs.mdp.mdp import prepare
from locoenvs.mdp.terrain import map_of

ROBOTS = 4096
"""How many robots train unless the script says otherwise: the paper's number."""


@configclass
class LocoEnvCfg(DirectRLEnvCfg):  # type: ignore[misc]
    """Isaac Lab's settings, the suite's environment, and the physics by the suite's name for it."""

    env_id: str = ""
    physics_name: str = "newton"


def env_cfg(env_id: str, physics: str | None = None) -> LocoEnvCfg:
    """The configuration of an environment of the suite, for :class:`~locoenvs.backends.isaaclab.env.LocoDirectEnv`."""
    from array_api_compat import numpy as xp

    task, installation = task_of(env_id), requirements.find()
    physics = requirements.choose(installation, physics)
    mdp = prepare(task, map_of(task), xp)
    cfg = LocoEnvCfg(env_id=env_id, physics_name=physics)
    cfg.sim = scene.sim_cfg(
        task, ROBOTS, requirements.device(None), installation, physics, scene.contact_points(task, physics)
    )
    cfg.scene = scene.place_cfg(ROBOTS)
    cfg.decimation = task.timing.decimation
    cfg.episode_length_s = task.timing.episode_length
    cfg.observation_space, cfg.action_space, cfg.state_space = mdp.observation_size, mdp.num_joints, 0
    return cfg


def __getattr__(name: str) -> Any:
    """``<Name>EnvCfg``: a function that makes the configuration, as Isaac Lab's registry takes it."""
    for env_id in TASKS.values():
        if name == f"{class_name(env_id)}EnvCfg":
            return lambda: env_cfg(env_id)
    raise AttributeError(
        f"there is no {name}; there are {[class_name(env_id) + 'EnvCfg' for env_id in TASKS.values()]}"
    )
