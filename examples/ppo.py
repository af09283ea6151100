"""PPO in one file, to be read from top to bottom: torch alone, no learner library, our batch of robots.

python ppo.py                                # ANYmal C on flat ground
locoenvs eval runs/ppo/policy                # what it learned, on what is held out

A time-out is not a failure. An episode that ran out of time would have gone on, so the value of its end is
V(final observation), not 0 and not the value of the next episode's first observation. See "time-outs" below.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import torch
import tyro
from torch import Tensor, nn
from torch.distributions import Normal

import locoenvs
from locoenvs.mdp.symmetry import Mirror, mirror
from locoenvs.policies.policy import save_policy
from locoenvs.wrappers.networks import layers, mlp


@dataclass
class Settings:
    """Settings of the recipe ``walk`` for flat ground."""

    env_id: str = "Loco/AnymalC-Flat-v0"
    num_envs: int = 512
    horizon: int = 24
    updates: int = 300
    epochs: int = 5
    minibatches: int = 4
    discount: float = 0.99
    trace: float = 0.95  # lambda of GAE
    clip: float = 0.2
    entropy: float = 0.005
    learning_rate: float = 1e-3
    desired_kl: float = 0.01
    max_gradient_norm: float = 1.0
    initial_std: float = 1.0  # with less it earns more at first, and explores too little to walk
    seed: int = 0
    out: Path = Path("runs/ppo/policy")


class Agent(nn.Module):
    """An actor whose actions are normal about its output, and a critic; both act on a mirror image as on what it is an image of."""

    def __init__(self, observations: int, actions: int, image: Mirror, std: float) -> None:
        super().__init__()
        self.actor = mlp(observations, (128, 64, 32), actions, "elu", image)
        self.critic = mlp(observations, (128, 64, 32), 1, "elu", image)
        self.std = nn.Parameter(torch.full((actions,), std))

    def policy(self, observation: Tensor) -> Normal:
        return Normal(self.actor(observation), self.std.clamp_min(1e-3), validate_args=False)

    def value(self, observation: Tensor) -> Tensor:
        return self.critic(observation).squeeze(-1)


@dataclass
class Rollout:
    """Steps of all robots; each field is (horizon, num_envs, ...)."""

    observation: Tensor
    action: Tensor
    mean: Tensor
    std: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    done: Tensor

    def flat(self) -> dict[str, Tensor]:
        return {name: field.flatten(0, 1) for name, field in vars(self).items()}


@torch.no_grad()
def collect(env: gymnasium.Env, agent: Agent, observation: Tensor, s: Settings) -> tuple[Rollout, Tensor, dict]:
    """``horizon`` steps of all robots, the observation to go on with, and what was seen on the way."""
    steps, earned, ends = [], 0.0, {"failed": 0, "time_outs": 0}
    for _ in range(s.horizon):
        policy = agent.policy(observation)
        action = policy.sample()
        following, reward, terminated, truncated, info = env.step(action)
        earned += reward.mean().item()
        late = info["time_outs"]
        if late.any():  # time-outs: the reward of what the episode would still have earned
            reward = reward.clone()
            reward[late] += s.discount * agent.value(info["final_obs"][late])
        log_prob, value = policy.log_prob(action).sum(-1), agent.value(observation)
        steps.append((observation, action, policy.mean, policy.stddev, log_prob, value, reward, terminated | truncated))
        ends["failed"] += int(terminated.sum())
        ends["time_outs"] += int(late.sum())
        observation = following  # of the next episode where one is done: that is why a done cuts the sums below
    told = {"reward_per_second": earned / (s.horizon * env.unwrapped.task.timing.control_dt), **ends}
    return Rollout(*(torch.stack(field) for field in zip(*steps))), observation, told


def advantages(rollout: Rollout, after: Tensor, s: Settings) -> Tensor:
    """Generalized advantage estimation, (horizon, num_envs), no sum of which reaches beyond the end of an episode.

    ``after`` (num_envs,) is the value of the observation after the last step. Schulman et al. 2016, equation 16.
    """
    advantage, total = torch.zeros_like(rollout.reward), torch.zeros_like(after)
    for step in reversed(range(len(advantage))):
        goes_on = (~rollout.done[step]).float()
        error = rollout.reward[step] + s.discount * goes_on * after - rollout.value[step]
        advantage[step] = total = error + s.discount * s.trace * goes_on * total
        after = rollout.value[step]
    return advantage


def learn(agent: Agent, optimizer: torch.optim.Adam, batch: dict[str, Tensor], s: Settings) -> float:
    """``epochs`` passes over the rollout; the mean KL divergence of the last, by which the learning rate is adapted."""
    for _ in range(s.epochs):
        divergences = []
        for rows in torch.randperm(len(batch["reward"])).chunk(s.minibatches):
            b = {name: field[rows] for name, field in batch.items()}
            policy, value = agent.policy(b["observation"]), agent.value(b["observation"])
            with torch.no_grad():
                old = Normal(b["mean"], b["std"], validate_args=False)
                divergence = torch.distributions.kl_divergence(old, policy).sum(-1).mean().item()
            divergences.append(divergence)
            rate = optimizer.param_groups[0]["lr"]
            if divergence > 2 * s.desired_kl:
                rate = max(rate / 1.5, 1e-5)
            elif 0 < divergence < s.desired_kl / 2:
                rate = min(rate * 1.5, 2e-3)
            optimizer.param_groups[0]["lr"] = rate

            ratio = (policy.log_prob(b["action"]).sum(-1) - b["log_prob"]).exp()
            gain = torch.min(ratio * b["advantage"], ratio.clamp(1 - s.clip, 1 + s.clip) * b["advantage"]).mean()
            clipped = b["value"] + (value - b["value"]).clamp(-s.clip, s.clip)
            error = torch.max((value - b["return"]) ** 2, (clipped - b["return"]) ** 2).mean()
            loss = error - gain - s.entropy * policy.entropy().sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), s.max_gradient_norm)
            optimizer.step()
    return sum(divergences) / len(divergences)


def save(agent: Agent, task: locoenvs.Task, s: Settings, samples: int) -> None:
    """The policy as `locoenvs eval`, `play` and `export` take it."""
    origin = {"environment": s.env_id, "learner": "examples/ppo.py", "seed": s.seed, "samples": samples}
    save_policy(s.out, task, layers(agent.actor), provenance=origin)


def main(s: Settings) -> None:
    torch.manual_seed(s.seed)
    task = locoenvs.task(s.env_id, recipe="walk", actuator="pd")
    env = gymnasium.make(s.env_id, num_envs=s.num_envs, task=task, array="torch")
    observation, _ = env.reset(seed=s.seed)
    agent = Agent(observation.shape[1], env.unwrapped.single_action_space.shape[0], mirror(task), s.initial_std)
    optimizer = torch.optim.Adam(agent.parameters(), lr=s.learning_rate)
    begun = time.perf_counter()
    for update in range(1, s.updates + 1):
        rollout, observation, told = collect(env, agent, observation, s)
        with torch.no_grad():
            advantage = advantages(rollout, agent.value(observation), s)
        normal = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        batch = rollout.flat() | {"advantage": normal.flatten(), "return": (advantage + rollout.value).flatten()}
        divergence, samples = learn(agent, optimizer, batch, s), update * s.horizon * s.num_envs
        told |= {"kl": divergence, "samples_per_second": samples / (time.perf_counter() - begun)}
        print(f"{update:4d}  " + "  ".join(f"{name} {value:.4g}" for name, value in told.items()), flush=True)
    env.close()
    save(agent, task, s, s.updates * s.horizon * s.num_envs)
    print(s.out)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
