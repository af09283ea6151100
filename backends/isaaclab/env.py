"""The suite's environment with Isaac Lab's face, for its own train scripts and wrappers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import gymnasium
import torch
from isaaclab.envs import DirectRLEnv

from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv


class LocoDirectEnv(DirectRLEnv):  # type: ignore[misc]
    """A :class:`LocoVectorEnv` that Isaac Lab's wrappers take for one of theirs. It owns no MDP: every step is the suite's.

    ``extras`` has the suite's ``info``: ``final_obs`` dense and valid in the rows of ``_final_obs``, ``time_outs``,
    ``reset_reason``, ``reward_terms`` and ``log``.

    Args:
        cfg: made by :func:`locoenvs.backends.isaaclab.env_cfg.env_cfg`.
        render_mode: None or "rgb_array", a picture of robot 0 drawn by native MuJoCo.
    """

    def __init__(self, cfg: Any, render_mode: str | None = None, **kwargs: Any) -> None:
        # Not DirectRLEnv's own: it would build its simulation and MDP beside the suite's.
        self._is_closed = True
        self.cfg, self.render_mode = cfg, render_mode
        self.inner = LocoVectorEnv(
            task_of(cfg.env_id),
            cfg.scene.num_envs,
            backend="isaaclab",
            device=str(cfg.sim.device),
            array="torch",
            render_mode=render_mode,
            options={"physics": cfg.physics_name},
        )
        simulator: Any = self.inner.simulator
        self.sim, self.scene = simulator.lab.sim, simulator.lab.scene
        self.metadata = {"render_modes": [None, "rgb_array"], "render_fps": self.inner.metadata["render_fps"]}
        self.single_action_space, self.action_space = self.inner.single_action_space, self.inner.action_space
        self.single_observation_space = gymnasium.spaces.Dict({"policy": self.inner.single_observation_space})
        self.observation_space, self.state_space = self.inner.observation_space, None
        self.extras: dict[str, Any] = {}
        self.common_step_counter = 0
        self._observation: torch.Tensor | None = None
        self._is_closed = False

    @property
    def episode_length_buf(self) -> torch.Tensor:
        """Control steps in each episode, (num_envs,) int64."""
        return self.inner.state.episodes.step.long()

    @episode_length_buf.setter
    def episode_length_buf(self, steps: torch.Tensor) -> None:
        state = self.inner.state
        episodes = dataclasses.replace(state.episodes, step=steps.to(torch.int32))
        self.inner.state = dataclasses.replace(state, episodes=episodes)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes of all robots, with ``seed``, or that of the configuration the first time."""
        if seed is None and self._observation is None:
            seed = self.cfg.seed
        self._observation, _ = self.inner.reset(seed=seed, options=options)
        return self._get_observations(), self.extras

    def step(self, action: torch.Tensor) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One control step with ``action`` (num_envs, J)."""
        self._observation, reward, terminated, truncated, info = self.inner.step(action)
        self.extras = dict(info)
        log = self.extras.pop("log")
        if log["episodes"]:  # RSL-RL averages over the steps that have a log
            self.extras["log"] = {name: float(value) for name, value in log.items()}
        self.common_step_counter += 1
        self.reset_terminated, self.reset_time_outs = terminated, truncated
        self.reset_buf, self.reward_buf = terminated | truncated, reward
        return self._get_observations(), reward, terminated, truncated, self.extras

    def _get_observations(self) -> dict[str, torch.Tensor]:
        assert self._observation is not None, "call reset() first"
        return {"policy": self._observation}

    def render(self, recompute: bool = False) -> Any:
        """A picture of robot 0, (height, width, 3) uint8, in the mode "rgb_array"."""
        pictures = self.inner.render() if self.render_mode == "rgb_array" else None
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """End the simulation. Afterwards this process may make another."""
        if not self._is_closed:
            self._is_closed = True
            del self.scene, self.sim  # as Isaac Lab's own: what is left of them would outlive the simulation
            self.inner.close()

    # What the suite's step does, where Isaac Lab's base class asks for hooks.
    def _pre_physics_step(self, actions: torch.Tensor) -> None:
        raise NotImplementedError("the suite's step does this")

    def _apply_action(self) -> None:
        raise NotImplementedError("the suite's step does this")

    def _get_rewards(self) -> torch.Tensor:
        raise NotImplementedError("the suite's step does this")

    def _get_dones(self) -> tuple[torch.Tensor, torch.Tensor]:
        raise NotImplementedError("the suite's step does this")

    def _reset_idx(self, env_ids: Sequence[int]) -> None:
        raise NotImplementedError("the suite's step does this: use reset(options={'reset_mask': mask})")
