"""The suite's tasks in Isaac Lab's own registry, so that its train scripts run them::

    ./isaaclab.sh train --rl_library rsl_rl --task Isaac-Loco-AnymalC-Flat-v0 \
        --external_callback locoenvs.backends.isaaclab.tasks.register

Importing this module registers them too, for scripts without that option.
"""

from __future__ import annotations

import sys

import gymnasium

from locoenvs.envs.registration import IDS

TASKS: dict[str, str] = {f"Isaac-{env_id.replace('/', '-')}": env_id for env_id in IDS}
"""Isaac Lab's id -> the suite's."""


def register() -> list[str]:
    """Register all tasks with Gymnasium, once. Returns the command line's arguments, of which it takes none."""
    for name, env_id in TASKS.items():
        if name not in gymnasium.registry:
            short = class_name(env_id)
            gymnasium.register(
                name,
                entry_point="locoenvs.backends.isaaclab.env:LocoDirectEnv",
                disable_env_checker=True,
                order_enforce=False,
                kwargs={
                    "env_cfg_entry_point": f"locoenvs.backends.isaaclab.env_cfg:{short}EnvCfg",
                    "rsl_rl_cfg_entry_point": f"locoenvs.backends.isaaclab.agents:{short}PPORunnerCfg",
                },
            )
    return sys.argv[1:]


def class_name(env_id: str) -> str:
    """ "Loco/AnymalC-Flat-v0" -> "AnymalCFlat"."""
    return env_id.removeprefix("Loco/").removesuffix("-v0").replace("-", "")


register()
