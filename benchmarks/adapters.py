"""What it costs to hand the environment to a learner: each adapter's own time in a step, next to a step of native physics.

::

    python -m locoenvs.benchmarks.adapters --out benchmarks/results/adapters.json

The adapters wrap an environment that returns ready-made arrays of the rough task's size at once, with a share of the
robots done, half of them by time-outs. An adapter's overhead is its step less that of the same environment bare, which
returns numpy: so conversions count. The native step is one of the real environment. All of them take turns, so that they
see the same machine; numbers are medians over the repeats.
"""

from __future__ import annotations

import importlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("NPROC", "8")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import gymnasium
import numpy as np
import tyro
from gymnasium.vector import AutoresetMode
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.envs.registration import make_vector
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.machine import measured_by
from locoenvs.numerics.arrays import Kind, convert

ROUGH = "Loco/AnymalC-Rough-v0"
JOINTS = 12


class Instant(LocoVectorEnv):
    """An environment whose steps cost nothing: the arrays that it returns are ready, and fresh as the real ones are."""

    def __init__(self, robots: int, observations: int, done: float, array: Kind) -> None:
        self.task, self.num_envs, self.array, self.device = task_of(ROUGH), robots, array, None
        self.autoreset_mode, self.privileged, self.render_mode = AutoresetMode.SAME_STEP, False, None
        self.split = "train"
        self.mdp: Any = SimpleNamespace(num_joints=JOINTS, observation_size=observations)
        self.single_observation_space = gymnasium.spaces.Box(-100, 100, (observations,), np.float32)
        self.single_action_space = gymnasium.spaces.Box(-100, 100, (JOINTS,), np.float32)
        rng = np.random.default_rng(0)
        self.seen = rng.standard_normal((robots, observations), dtype=np.float32)
        self.final = self.seen + 1
        self.reward = rng.random(robots, dtype=np.float32)
        ended = rng.random(robots) < done
        self.truncated = ended & (rng.random(robots) < 0.5)
        self.terminated = ended & ~self.truncated
        self.logged = (
            "episodes",
            "episode_seconds",
            "level",
            *(f"reward/{name}" for name, term in self.task.rewards.terms.items() if term.weight),
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return convert(self.seen, self.array), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        out = lambda values: convert(values, self.array)  # noqa: E731
        ended = self.terminated | self.truncated
        info = {
            "final_obs": out(self.final),
            "_final_obs": out(ended),
            "time_outs": out(self.truncated),
            "reset_reason": out(self.truncated.astype(np.int32)),
            "reward_terms": {"reward": out(self.reward)},
            "log": {name: out(np.float32(ended.sum())) for name in self.logged},
        }
        return out(self.seen), out(self.reward), out(self.terminated), out(self.truncated), info


def rsl_rl(env: LocoVectorEnv) -> Callable[[], object]:
    """A step of RSL-RL's environment."""
    wrapped = importlib.import_module("locoenvs.wrappers.rsl_rl").RslRlVecEnv(env)
    actions = importlib.import_module("torch").zeros(env.num_envs, JOINTS)
    return lambda: wrapped.step(actions)


def skrl(env: LocoVectorEnv) -> Callable[[], object]:
    """A step of SKRL's environment on torch."""
    wrapped = importlib.import_module("locoenvs.wrappers.skrl").SkrlEnv(env)
    actions = importlib.import_module("torch").zeros(env.num_envs, JOINTS)
    return lambda: wrapped.step(actions)


def skrl_jax(env: LocoVectorEnv) -> Callable[[], object]:
    """A step of SKRL's environment on JAX."""
    wrapped = importlib.import_module("locoenvs.wrappers.skrl.with_jax").SkrlJaxEnv(env)
    jax = importlib.import_module("jax")
    actions = jax.numpy.zeros((env.num_envs, JOINTS))
    return lambda: jax.block_until_ready(wrapped.step(actions)[:4])


def sb3(env: LocoVectorEnv) -> Callable[[], object]:
    """A step of Stable-Baselines3's environment."""
    wrapped = importlib.import_module("locoenvs.wrappers.sb3").Sb3VecEnv(env)
    actions = np.zeros((env.num_envs, JOINTS), np.float32)
    return lambda: wrapped.step(actions)


def rl_games(env: LocoVectorEnv) -> Callable[[], object]:
    """A step of rl_games' environment."""
    wrapped = importlib.import_module("locoenvs.wrappers.rl_games").RlGamesVecEnv(env)
    actions = importlib.import_module("torch").zeros(env.num_envs, JOINTS)
    return lambda: wrapped.step(actions)


def brax(env: LocoVectorEnv) -> Callable[[], object]:
    """A step of Brax's environment, called back from a compiled function."""
    wrapped = importlib.import_module("locoenvs.wrappers.brax").BraxEnv(env)
    jax = importlib.import_module("jax")
    state, actions = wrapped.reset(None), jax.numpy.zeros((env.num_envs, JOINTS))
    step = jax.jit(wrapped.step)
    return lambda: jax.block_until_ready(step(state, actions))


ADAPTERS: dict[str, tuple[Callable[[LocoVectorEnv], Callable[[], object]], Kind]] = {
    "rsl_rl": (rsl_rl, "torch"),
    "skrl": (skrl, "torch"),
    "rl_games": (rl_games, "torch"),
    "sb3": (sb3, "numpy"),
    "skrl_jax": (skrl_jax, "jax"),
    "brax": (brax, "numpy"),
}
"""How to make a step of each learner's environment, and the arrays that its training asks the environment for."""


@dataclass(frozen=True)
class Result:
    """One adapter's overhead in a step of all robots, and its share of a native step."""

    learner: str
    robots: int
    observations: int
    done: float
    milliseconds: float
    share_of_native_step: float
    repeats: list[float]


def measure(
    learners: tuple[str, ...], robots: int, observations: int, done: float, steps: int, repeats: int
) -> tuple[list[Result], float]:
    """The results, and the milliseconds of a native step."""
    bare = Instant(robots, observations, done, "numpy")
    plain = np.zeros((robots, JOINTS), np.float32)
    timed: dict[str, Callable[[], object]] = {"bare": lambda: bare.step(plain)}
    for name in learners:
        make, array = ADAPTERS[name]
        timed[name] = make(Instant(robots, observations, done, array))
    native = make_vector(ROUGH, robots, actuator="pd", backend="mujoco")
    native.reset(seed=0)
    actions = np.random.default_rng(0).standard_normal((8, robots, JOINTS), dtype=np.float32)
    for step in timed.values():
        step()  # what compiles does so now
    for action in actions:
        native.step(action)
    taken: dict[str, list[float]] = {name: [] for name in (*timed, "native")}
    for _ in range(repeats):
        for name, step in timed.items():
            taken[name].append(_milliseconds(step, steps))
        turns = iter(actions)
        taken["native"].append(_milliseconds(lambda turns=turns: native.step(next(turns)), 4))  # type: ignore[misc]
    native.close()
    whole = statistics.median(taken["native"])
    results = []
    for name in learners:
        over = [ours - theirs for ours, theirs in zip(taken[name], taken["bare"])]
        middle = statistics.median(over)
        rounded = [round(value, 4) for value in over]
        results.append(Result(name, robots, observations, done, round(middle, 4), round(middle / whole, 5), rounded))
    return results, whole


def _milliseconds(step: Callable[[], object], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        step()
    return 1000 * (time.perf_counter() - begun) / count


def main(
    learners: tuple[str, ...] = tuple(ADAPTERS),
    robots: int = 4096,
    observations: int = 235,
    done: float = 0.1,
    steps: int = 50,
    repeats: int = 9,
    out: Path | None = None,
) -> list[Result]:
    """Measure what the adapters cost.

    Args:
        learners: Which learners.
        robots: Number of robots.
        observations: Numbers that a robot observes.
        done: Share of the robots that are done in a step.
        steps: Steps of each measurement.
        repeats: How often each is repeated.
        out: File to write the results to, as JSON.
    """
    results, native = measure(learners, robots, observations, done, steps, repeats)
    table = Table(
        title=f"{robots} robots, {observations} observations, {done:.0%} done; a native step: {native:.1f} ms"
    )
    for column in ("learner", "overhead, ms", "of a native step"):
        table.add_column(column, justify="left" if column == "learner" else "right")
    for result in results:
        table.add_row(result.learner, f"{result.milliseconds:.3f}", f"{result.share_of_native_step:.2%}")
    Console().print(table)
    if out is not None:
        report = {
            **measured_by("adapters", "locoenvs", "mujoco", "gymnasium", "numpy"),
            "native_step_ms": round(native, 3),
            "results": [asdict(result) for result in results],
        }
        reports.write(out, report, indent=2)
    return results


if __name__ == "__main__":
    tyro.cli(main)
