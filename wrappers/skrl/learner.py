"""``locoenvs train --learner skrl``."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any, ClassVar

import torch
from skrl.memories.torch import RandomMemory

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.symmetry import Mirror
from locoenvs.numerics.arrays import Kind
from locoenvs.policies.policy import Layer
from locoenvs.tasks.task import Task
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training
from locoenvs.wrappers.learner import Update
from locoenvs.wrappers.networks import layers, set_layers
from locoenvs.wrappers.part import part_of
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.skrl.env import SkrlEnv
from locoenvs.wrappers.skrl.face import spaces
from locoenvs.wrappers.skrl.part import PartPPO
from locoenvs.wrappers.skrl.ppo import Actor, Critic, TimeoutPPO, skrl_config


class SkrlLearner:
    """SKRL's PPO on torch."""

    name: ClassVar[str] = "skrl"
    packages: ClassVar[tuple[str, ...]] = ("skrl",)
    array: ClassVar[Kind] = "torch"

    def __init__(self, env: LocoVectorEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        self.ppo = ppo
        self.env = SkrlEnv(env, seed=seed, log=False)
        part = part_of(ppo.num_envs)
        self.agent = (TimeoutPPO if part is None else functools.partial(PartPPO, part=part))(
            models={"policy": Actor(self.env, ppo, mirror), "value": Critic(self.env, ppo, mirror)},
            memory=RandomMemory(
                memory_size=ppo.horizon, num_envs=env.num_envs, device=self.env.device, replacement=False
            ),
            cfg=skrl_config(ppo),
            **spaces(self.env),
        )
        self.agent.init()
        self.agent.enable_training_mode(True)

    def update(self) -> Update:
        rollout(self.env, self.agent, self.ppo.horizon - 1)
        begun = rollout(self.env, self.agent, 1)
        spent = time.perf_counter() - begun
        return Update(
            learning_seconds=spent,
            losses=losses(self.agent),
            learning_rate=self.agent.optimizer.param_groups[0]["lr"],
            action_std=float(self.agent.policy.log_std.detach().exp().mean()),
            diagnosis=self.agent.diagnosis,
        )

    def save(self) -> dict[str, Any]:
        return {
            "policy": self.agent.policy.state_dict(),
            "value": self.agent.value.state_dict(),
            "optimizer": self.agent.optimizer.state_dict(),
        }

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        self.agent.policy.load_state_dict(saved["policy"])
        self.agent.value.load_state_dict(saved["value"])
        self.agent.optimizer.load_state_dict(saved["optimizer"])
        self.env.resume(observation)

    def layers(self) -> list[Layer]:
        return layers(self.agent.policy.net)

    def start_from(self, weights: list[Layer]) -> None:
        set_layers(self.agent.policy.net, weights)


def rollout(env: Any, agent: Any, steps: int) -> float:
    """Steps of SKRL's own training loop; the time at which the last one was recorded, before what it is learned from."""
    observations, states, when = env.reset()[0], env.state(), {"timestep": 0, "timesteps": 1}
    recorded = time.perf_counter()
    for _ in range(steps):
        agent.pre_interaction(**when)
        with torch.no_grad():
            actions, _ = agent.act(observations, states, **when)
            next_observations, rewards, terminated, truncated, infos = env.step(actions)
            next_states = env.state()
            agent.record_transition(
                observations=observations,
                states=states,
                actions=actions,
                rewards=rewards,
                next_observations=next_observations,
                next_states=next_states,
                terminated=terminated,
                truncated=truncated,
                infos=infos,
                **when,
            )
        recorded = time.perf_counter()
        agent.post_interaction(**when)  # learns when the rollout is complete
        observations, states = next_observations, next_states
    return recorded


def losses(agent: Any) -> dict[str, float]:
    """What the agent says of its last update."""
    seen, weight = agent.tracking_data, agent.cfg.entropy_loss_scale
    means = {
        name: float(seen[f"Loss / {theirs} loss"][-1])
        for name, theirs in {"value": "Value", "surrogate": "Policy"}.items()
    }
    if weight:
        means["entropy"] = -float(seen["Loss / Entropy loss"][-1]) / weight
    seen.clear()
    return means


def train(env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None) -> Path:
    """Train a policy with SKRL on torch; its run folder. See :func:`locoenvs.wrappers.training.train`."""
    return training.train(SkrlLearner, env_id, settings, task, ppo)
