"""rl_games' PPO with the right value target at time-outs, and the paper's settings in rl_games' own configuration."""

from __future__ import annotations

import math
from typing import Any

import torch
from rl_games.algos_torch import model_builder
from rl_games.algos_torch.a2c_continuous import A2CAgent
from rl_games.algos_torch.network_builder import A2CBuilder
from rl_games.torch_runner import Runner
from torch import nn

from locoenvs.mdp.symmetry import Mirror
from locoenvs.wrappers.diagnostics import Diagnosis, Ratios, advantage, explained_variance
from locoenvs.wrappers.networks import mirrored
from locoenvs.wrappers.ppo import PPOConfig


class TimeoutA2CAgent(A2CAgent):
    """rl_games' continuous PPO whose target at a time-out is r + gamma V(final observation).

    Left alone, rl_games adds gamma V of the observation *before* the step. Needs ``infos["final_observations"]`` of
    :class:`~locoenvs.wrappers.rl_games.env.RlGamesVecEnv`. Beside rl_games' own, ``config`` may have
    ``min_learning_rate`` and ``max_learning_rate``, the bounds of the adaptive rate. ``diagnosis`` says what the last epoch was like.

    Raises:
        ValueError: for settings that would silently change what an action means, or that rl_games cannot work with.
    """

    rewards_shaper: Any
    diagnosis: Diagnosis | None = None

    def __init__(self, base_name: str, params: dict[str, Any]) -> None:
        config = params["config"]
        if config.get("clip_actions", True):
            raise ValueError(
                "clip_actions is on, as it is by default: rl_games would clamp actions to [-1, 1] and then stretch them "
                "to the action space, which is the task's wide clip. Set clip_actions: False"
            )
        if "max_steps" in config:
            raise ValueError("rl_games 1.6.5 takes max_steps for an axis of an array: set max_frames instead")
        super().__init__(base_name, params)
        if self.has_central_value != ("state_space" in self.vec_env.get_env_info()):
            raise ValueError(
                "a privileged environment and a central_value_config go together: without the one the critic would see "
                "the policy's noise, without the other nothing (rl_games_config with privileged=True has it)"
            )
        self._shaper, self.rewards_shaper = self.rewards_shaper, self._shaped
        if self.is_adaptive_lr:
            self.scheduler.min_lr = config.get("min_learning_rate", self.scheduler.min_lr)
            self.scheduler.max_lr = config.get("max_learning_rate", self.scheduler.max_lr)

    def env_step(self, actions: torch.Tensor) -> tuple[Any, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """One step; gamma V(final observation) of the robots whose time ran out joins the shaped reward."""
        obs, rewards, dones, infos = super().env_step(actions)
        infos = dict(infos)
        time_outs, final = infos.pop("time_outs"), self.obs_to_tensors(infos["final_observations"])
        self._bootstrap = torch.zeros_like(rewards)
        if not self.value_bootstrap:
            return obs, rewards, dones, infos
        if time_outs.device.type != "cpu":  # all of them: to ask how many are due would wait for the accelerator
            values = self._values(final, slice(None))
            self._bootstrap = self.gamma * torch.where(time_outs[:, None], values, torch.zeros_like(values))
        elif time_outs.any():
            self._bootstrap[time_outs] = self.gamma * self._values(final, time_outs)
        return obs, rewards, dones, infos

    def _values(self, obs: dict[str, torch.Tensor], rows: Any) -> torch.Tensor:
        """The critic's values of those rows, (rows, 1). A recurrent critic's memory is left as it is."""
        critic = getattr(self, "central_value_net", None)
        if not self.is_rnn and (critic is None or not critic.is_rnn):
            return self.get_values({name: value[rows] for name, value in obs.items()})
        memory = None if critic is None else critic.rnn_states
        values = self.get_values(obs)
        if critic is not None:
            critic.rnn_states = memory
        return values[rows]

    def train_epoch(self) -> tuple[Any, ...]:
        """A rollout and what is learned from it; what rl_games says of it."""
        self._ratios = Ratios(self.e_clip)
        told = super().train_epoch()
        lag = self._ratios.lag(len(self.dataset))
        self.diagnosis = Diagnosis(
            lag, advantage(self._returns - self._own), explained_variance(self._returns, self._own)
        )
        return told

    def prepare_dataset(self, batch_dict: dict[str, Any]) -> None:
        """Keep the rollout's returns and values as they are before rl_games normalizes them."""
        self._returns, self._own = batch_dict["returns"], batch_dict["values"]
        super().prepare_dataset(batch_dict)

    def calc_losses(self, actor_loss_func: Any, old: torch.Tensor, new: torch.Tensor, *rest: Any) -> Any:
        """The losses of a minibatch, whose actions had the negative log probabilities ``old``, and have ``new``."""
        self._ratios.add(old - new.detach())
        return super().calc_losses(actor_loss_func, old, new, *rest)

    def train_central_value(self) -> float:
        """Train a privileged critic; ``central_loss`` is its loss, for which rl_games reports 0."""
        self.central_loss = super().train_central_value()
        return self.central_loss

    def _shaped(self, rewards: torch.Tensor) -> torch.Tensor:
        return self._shaper(rewards) + self._bootstrap


class LocoBuilder(A2CBuilder):
    """rl_games' "actor_critic" network, left-right symmetric if its parameters have a ``mirror``."""

    def build(self, name: str, **kwargs: Any) -> nn.Module:
        net = super().build(name, **kwargs)
        mirror: Mirror | None = self.params.get("mirror")
        if mirror is None:
            return net
        if net.is_continuous:
            *hidden, net.mu = mirrored([*net.actor_mlp, net.mu], mirror)
            net.actor_mlp = nn.Sequential(*hidden)
        body = "critic_mlp" if net.separate else "actor_mlp"  # a central value has no other
        *hidden, net.value = mirrored([*getattr(net, body), net.value], mirror)
        setattr(net, body, nn.Sequential(*hidden))
        return net


model_builder.register_network("loco_actor_critic", LocoBuilder)


def make_runner(observer: Any = None) -> Runner:
    """rl_games' Runner whose algorithm "a2c_continuous" is :class:`TimeoutA2CAgent`. Its "sac" is refused."""
    runner = Runner(observer)
    runner.algo_factory.register_builder("a2c_continuous", TimeoutA2CAgent)
    runner.algo_factory.register_builder("sac", _no_sac)
    return runner


def _no_sac(**_: Any) -> Any:
    raise ValueError(
        "rl_games' sac stores the observation before the step as what follows a time-out, and squashes actions to the "
        "task's wide clip: use Stable-Baselines3's SAC on Sb3VecEnv(env, action_limit=...)"
    )


def rl_games_config(
    ppo: PPOConfig, env_name: str, mirror: Mirror | None = None, device: str = "cpu", seed: int = 0
) -> dict[str, Any]:
    """``ppo`` as the dictionary that rl_games reads from YAML; ``env_name`` is an id or a registered name.

    ``env_config`` has the robots' seed: rl_games' Runner takes a seed of 0 for none and does not hand it on.
    """
    mlp = {
        "units": list(ppo.hidden),
        "activation": ppo.activation,
        "d2rl": False,
        "initializer": {"name": "default"},
        "regularizer": {"name": "None"},
    }
    network: dict[str, Any] = {
        "name": "loco_actor_critic",
        "separate": True,
        "space": {
            "continuous": {
                "mu_activation": "None",
                "sigma_activation": "None",
                "mu_init": {"name": "default"},
                "sigma_init": {"name": "const_initializer", "val": math.log(ppo.initial_std)},
                "fixed_sigma": True,
            }
        },
        "mlp": mlp,
    }
    learning = {
        "learning_rate": ppo.learning_rate,
        "e_clip": ppo.clip,
        "clip_value": True,
        "truncate_grads": True,
        "grad_norm": ppo.max_gradient_norm,
        "minibatch_size": ppo.samples_per_update // ppo.minibatches,
        "mini_epochs": ppo.epochs,
        "normalize_input": False,
    }
    config: dict[str, Any] = {
        "name": "locoenvs",
        "env_name": env_name,
        "env_config": {"seed": seed},
        "device": device,
        "device_name": device,  # what its player reads
        "player": {"use_vecenv": True},
        "num_actors": ppo.num_envs,
        "horizon_length": ppo.horizon,
        "seq_length": 1,
        "max_epochs": ppo.updates,
        "reward_shaper": {"scale_value": 1.0},
        "gamma": ppo.discount,
        "tau": ppo.trace,
        "lr_schedule": "adaptive",
        "schedule_type": "legacy",
        "kl_threshold": ppo.desired_kl,
        "min_learning_rate": 1e-5,
        "max_learning_rate": ppo.max_learning_rate,
        "entropy_coef": ppo.entropy,
        "critic_coef": 2.0,  # of half the squared error
        "bounds_loss_coef": 0.0,
        "clip_actions": False,
        "normalize_advantage": True,
        "normalize_value": False,
        "value_bootstrap": True,
        "torch_compile": False,
        "print_stats": False,
        "ppo": True,
        **learning,
    }
    if mirror is not None:
        network["mirror"] = mirror
    if ppo.privileged:
        central = {"name": "loco_actor_critic", "central_value": True, "mlp": mlp}
        if mirror is not None:
            central["mirror"] = mirror
        config["central_value_config"] = {**learning, "lr_schedule": None, "network": central}
        config["use_experimental_cv"] = False  # the central value is the only critic
    return {
        "params": {
            "seed": seed,
            "algo": {"name": "a2c_continuous"},
            "model": {"name": "continuous_a2c_logstd"},
            "network": network,
            "config": config,
        }
    }
