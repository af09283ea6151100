"""A small MDP of known value, in the shape of our batched environment, that every learner's adapter is tested on.

Six phases follow each other in a circle; phase p pays REWARDS[p] on the way to the next one, whatever the action. The
process never ends, so V = r + gamma P V has the one solution that :func:`true_values` computes. Episodes are cut after
STEPS steps and start again JUMP phases further: V(s_t), V(observation after the reset) and V(final observation) all
differ.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from locoenvs.envs.registration import task
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import Kind, convert
from locoenvs.wrappers.ppo import PPOConfig

PHASES, STEPS, JUMP, ROBOTS, GAMMA = 6, 3, 2, 24, 0.8
REWARDS = np.array([1.0, 0.1, 0.1, 0.1, 0.1, 0.1], dtype=np.float32)
SMALL = PPOConfig(
    num_envs=ROBOTS,
    horizon=6,
    epochs=4,
    minibatches=2,
    hidden=(16,),
    activation="tanh",
    discount=GAMMA,
    trace=0.9,
    learning_rate=0.02,
)
"""PPO that learns the values of the circle."""


def true_values() -> np.ndarray:
    """V of each phase, from V = r + gamma P V."""
    following = np.roll(np.eye(PHASES), 1, axis=1)
    return np.linalg.solve(np.eye(PHASES) - GAMMA * following, REWARDS)


def error(values: Any) -> float:
    """The largest relative error of a phase's value."""
    return float(np.abs(np.asarray(values).reshape(PHASES) / true_values() - 1).max())


class Circle(LocoVectorEnv):
    """The MDP, cut after ``steps``. ``time_outs=False`` takes the time-out handling out: every cut is called a failure.

    With ``privileged`` only the critic sees the phase; the policy sees always the same.
    """

    def __init__(
        self,
        array: Kind = "numpy",
        time_outs: bool = True,
        robots: int = ROBOTS,
        steps: int = STEPS,
        privileged: bool = False,
    ) -> None:
        self.task, self.num_envs, self.array, self.device = task("Loco/AnymalC-Flat-v0"), robots, array, None
        self.time_outs, self.steps, self.privileged, self.render_mode = time_outs, steps, privileged, None
        self.autoreset_mode, self.split = AutoresetMode.SAME_STEP, "train"
        self.mdp: Any = SimpleNamespace(num_joints=1, observation_size=PHASES)
        one: gymnasium.Space[Any] = gymnasium.spaces.Box(0, 1, (PHASES,), np.float32)
        self.single_observation_space = gymnasium.spaces.Dict(policy=one, critic=one) if privileged else one
        self.single_action_space = gymnasium.spaces.Box(-100, 100, (1,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, robots)
        self.action_space = batch_space(self.single_action_space, robots)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.phase = np.arange(self.num_envs) % PHASES
        self.age = np.arange(self.num_envs) // PHASES % self.steps
        return self.seen(), {}

    def seen(self) -> Any:
        phase = convert(np.eye(PHASES, dtype=np.float32)[self.phase], self.array)
        return {"policy": phase * 0 + 0.3, "critic": phase} if self.privileged else phase

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        assert actions.shape == (self.num_envs, 1), actions.shape
        reward = REWARDS[self.phase]
        self.phase, self.age = (self.phase + 1) % PHASES, self.age + 1
        final, cut = self.seen(), self.age >= self.steps
        self.phase = np.where(cut, (self.phase + JUMP) % PHASES, self.phase)
        self.age = np.where(cut, 0, self.age)
        out = lambda a: convert(a, self.array)  # noqa: E731
        terminated, truncated = (cut & False, cut) if self.time_outs else (cut, cut & False)
        info = {
            "final_obs": final,
            "_final_obs": out(cut),
            "time_outs": out(truncated),
            "reset_reason": out(cut.astype(np.int32)),
            "reward_terms": {"reward": out(reward)},
            "log": {"episodes": out(np.float32(cut.sum()))},
        }
        return self.seen(), out(reward), out(terminated), out(truncated), info
