"""How fast the environment is: next to the bare physics inside it, and to Gymnasium's vectorization of the same robots.

::

    python -m locoenvs.benchmarks.throughput --robots 16 64 512 4096 --out benchmarks/results/throughput.json

What is compared takes turns, so that all of it sees the same machine; numbers are medians over the repeats.

- whole: ``step`` of the batched environment, with resets, rewards, noise and everything else.
- bare: the engine's own batch on the same model, which before each turn is put into the state that the environment has,
  and takes the same actions. So it neither pays for resets nor drifts into a heap of fallen robots.
- sync, async: ``gymnasium.make_vec`` of the unbatched environment, in one process and in one process a robot.

A control step is one step of one robot; it holds several physics steps, counted apart.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import gymnasium
import mujoco
import numpy as np
import tyro
from mujoco.batch import Batch
from rich.console import Console
from rich.table import Table

from locoenvs.backends.mujoco.simulator import MujocoSimulator
from locoenvs.benchmarks import reports
from locoenvs.envs.registration import make_vector
from locoenvs.envs.registration import task as task_of
from locoenvs.machine import cores, measured_by
from locoenvs.policies.policy import POLICIES, load_policy
from locoenvs.tasks.recipes import ActuatorKind

Ground = Literal["flat", "rough"]
Act = Callable[[np.ndarray], np.ndarray]

IDS = {"flat": "Loco/AnymalC-Flat-v0", "rough": "Loco/AnymalC-Rough-v0"}
ACTUATOR: ActuatorKind = "pd"
"""The drives of both, so that bare physics is all of the engine's work; `.actuators` compares the kinds."""
TURN = 8
"""Control steps until it is the other's turn."""
SETTLE = 50
"""Control steps before anything is measured, so that robots are anywhere in their episodes."""
SEPARATE_ROBOTS = 64
"""Up to how many robots are simulated each in an environment of its own."""


@dataclass(frozen=True)
class Result:
    """What was measured for one ground, number of robots and kind of actions. Rates are medians over the repeats.

    ``make_seconds`` is until the first observation, ``memory_mb`` the resident memory of a process that steps the
    environment and does nothing else.
    """

    environment: str
    robots: int
    actions: Literal["random", "policy"]
    control_steps_per_second: dict[str, float]
    physics_steps_per_second: dict[str, float]
    whole_to_bare: float
    whole_to_best_separate: float | None
    repeats: dict[str, list[float]]
    milliseconds: dict[str, float]
    make_seconds: float
    memory_mb: float
    skipped: dict[str, str] = field(default_factory=dict)


class Contest:
    """The environment and bare physics, taking turns on the same states and actions."""

    def __init__(self, env_id: str, robots: int, act: Act) -> None:
        env = make_vector(env_id, robots, actuator=ACTUATOR, backend="mujoco", options={"threads": cores()})
        self.observation, _ = env.reset(seed=0)
        simulator: object = env.simulator
        assert isinstance(simulator, MujocoSimulator)
        self.env, self.act, self.simulator = env, act, simulator
        self.bare = Batch(self.simulator.model, robots, nthread=min(cores(), robots))
        saved = self.simulator.save(None)
        touching = np.nonzero(self.simulator.model.geom_priority > 0)[0]
        self.bare.expand("geom_friction")[:, touching, 0] = saved["friction"][:, None]
        for _ in range(SETTLE):
            self.observation = env.step(act(self.observation))[0]

    def rates(self, seconds: float) -> tuple[float, float]:
        """Control steps a second of the environment and of bare physics, each measured for that long."""
        whole, bare, steps = 0.0, 0.0, 0
        while min(whole, bare) < seconds:
            before, actions = self.simulator.save(None), []
            for _ in range(TURN):
                actions.append(self.act(self.observation))
                start = time.perf_counter()
                self.observation = self.env.step(actions[-1])[0]
                whole += time.perf_counter() - start
            bare += self._replay(before, actions)
            steps += TURN
        return steps * self.env.num_envs / whole, steps * self.env.num_envs / bare

    def _replay(self, state: dict[str, np.ndarray], actions: list[np.ndarray]) -> float:
        """The seconds that the actions take bare physics from that state."""
        self.bare.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
        for name in ("time", "qpos", "qvel", "qacc_warmstart", "ctrl"):
            self.bare.bind(name)[:] = state[name]
        control, mdp, seconds = self.bare.bind("ctrl"), self.env.mdp, 0.0
        for action in actions:
            target = mdp.default_pose + mdp.task.robot.action_scale * action
            start = time.perf_counter()
            control[:] = target
            self.bare.step(nstep=mdp.task.timing.decimation)
            seconds += time.perf_counter() - start
        return seconds

    def milliseconds(self, seconds: float) -> dict[str, float]:
        """Where the time of one step of all robots goes."""
        watch, steps = _Stopwatch(), 0
        with watch.on(self.simulator):
            begun = time.perf_counter()
            while time.perf_counter() - begun < seconds:
                action = self.act(self.observation)
                with watch.time("other"):
                    self.observation = self.env.step(action)[0]
                steps += 1
        return {name: 1000 * spent / steps for name, spent in watch.seconds.items()}

    def close(self) -> None:
        self.env.close()


class _Stopwatch:
    """Times functions by wrapping them where they are called. A function's time is without that of those inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []

    @contextlib.contextmanager
    def time(self, name: str) -> Iterator[None]:
        self._inside.append(0.0)
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + spent - self._inside.pop()
        if self._inside:
            self._inside[-1] += spent

    @contextlib.contextmanager
    def on(self, simulator: MujocoSimulator) -> Iterator[None]:
        """Within it, the parts of a step are timed."""
        step, slots, rng = (
            importlib.import_module(f"locoenvs.{name}") for name in ("mdp.step", "mdp.slots", "numerics.rng")
        )
        parts: list[tuple[str, object, str]] = [
            ("physics", simulator, "advance"),
            ("readout", simulator, "_readout"),
            ("height scan", slots, "height_samples"),
            ("random draws", rng, "uniform"),
            ("observation", step, "observe"),
            ("rewards", step, "reward_terms"),
            ("resets", step, "reset"),
        ]
        with contextlib.ExitStack() as stack:
            for name, owner, function in parts:
                timed = self._timed(name, getattr(owner, function))
                stack.enter_context(mock.patch.object(owner, function, timed))
            yield

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with self.time(name):
                return function(*arguments, **options)

        return call


class Separate:
    """Gymnasium's vectorization of unbatched environments: "sync", one process, or "async", one process a robot."""

    def __init__(self, env_id: str, robots: int, mode: Literal["sync", "async"]) -> None:
        self.env = gymnasium.make_vec(
            env_id,
            robots,
            vectorization_mode=mode,
            actuator=ACTUATOR,
            backend="mujoco",
            stagger=True,
            options={"threads": 1},
        )
        self.env.reset(seed=0)
        self.act = _random(robots, 12)

    def rate(self, seconds: float) -> float:
        """Control steps a second."""
        spent, steps = 0.0, 0
        while spent < seconds:
            action = self.act(np.empty(0))
            start = time.perf_counter()
            self.env.step(action)
            spent += time.perf_counter() - start
            steps += 1
        return steps * self.env.num_envs / spent

    def close(self) -> None:
        self.env.close()


def measure(
    env_id: str, robots: int, act: Act, actions: Literal["random", "policy"], seconds: float, repeats: int
) -> Result:
    """Measure one ground, number of robots and kind of actions."""
    contest = Contest(env_id, robots, act)
    separate: dict[str, Separate] = {}
    skipped: dict[str, str] = {}
    modes: tuple[Literal["sync", "async"], ...] = ("sync", "async")
    for mode in modes:
        if actions == "policy":
            skipped[mode] = "random actions only"
        elif robots > SEPARATE_ROBOTS:
            skipped[mode] = f"more than {SEPARATE_ROBOTS} robots, each with a model and a ground of its own"
        else:
            separate[mode] = Separate(env_id, robots, mode)
    rates: dict[str, list[float]] = {name: [] for name in ("whole", "bare", *separate)}
    for _ in range(repeats):
        for name, rate in zip(("whole", "bare"), contest.rates(seconds)):
            rates[name].append(rate)
        for name, vectorized in separate.items():
            rates[name].append(vectorized.rate(seconds))
    median = {name: round(statistics.median(values), 1) for name, values in rates.items()}
    decimation = contest.env.task.timing.decimation
    result = Result(
        environment=env_id,
        robots=robots,
        actions=actions,
        control_steps_per_second=median,
        physics_steps_per_second={name: round(decimation * rate, 1) for name, rate in median.items()},
        whole_to_bare=round(statistics.median(a / b for a, b in zip(rates["whole"], rates["bare"])), 3),
        whole_to_best_separate=None,
        repeats={name: [round(rate, 1) for rate in values] for name, values in rates.items()},
        milliseconds={name: round(value, 3) for name, value in contest.milliseconds(seconds).items()},
        skipped=skipped,
        **cost(env_id, robots),
    )
    contest.close()
    for vectorized in separate.values():
        vectorized.close()
    return result


def cost(env_id: str, robots: int) -> dict[str, float]:
    """The environment's ``make_seconds`` and ``memory_mb``, from a process of its own."""
    code = (
        "import json, time, gymnasium, numpy, locoenvs\n"
        "from locoenvs.machine import memory\n"
        "start = time.perf_counter()\n"
        f"env = gymnasium.make({env_id!r}, num_envs={robots}, actuator={ACTUATOR!r}, backend='mujoco')\n"
        "env.reset(seed=0)\n"
        "made = time.perf_counter() - start\n"
        "for _ in range(3): env.step(numpy.zeros(env.action_space.shape, 'f4'))\n"
        "print(json.dumps({'make_seconds': round(made, 2), 'memory_mb': round(memory() / 2**20, 1)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compared(results: list[Result]) -> list[Result]:
    """The results with random actions with how many times faster each is than the fastest separate environments on its ground, which have them too."""
    made = []
    for result in results:
        others = [other.control_steps_per_second for other in results if other.environment == result.environment]
        rates = [rate for other in others for name, rate in other.items() if name in ("sync", "async")]
        alike = rates and result.actions == "random"
        ratio = round(result.control_steps_per_second["whole"] / max(rates), 1) if alike else None
        made.append(dataclasses.replace(result, whole_to_best_separate=ratio))
    return made


def table(results: list[Result]) -> Table:
    """The results for reading."""
    output = Table(title="control steps per second")
    for column in ("environment", "robots", "actions", "whole", "bare", "whole / bare", "sync", "async"):
        output.add_column(column, justify="left" if column in ("environment", "actions") else "right")
    for column in ("whole / best of both", "physics steps/s", "memory MB", "make s"):
        output.add_column(column, justify="right")
    for result in results:
        rates = result.control_steps_per_second
        shown = {name: f"{rates[name]:,.0f}" if name in rates else "-" for name in ("whole", "bare", "sync", "async")}
        times = "-" if result.whole_to_best_separate is None else f"{result.whole_to_best_separate:.1f}"
        output.add_row(
            result.environment, str(result.robots), result.actions, shown["whole"], shown["bare"],
            f"{result.whole_to_bare:.3f}", shown["sync"], shown["async"], times,
            f"{result.physics_steps_per_second['whole']:,.0f}", f"{result.memory_mb:.0f}", f"{result.make_seconds:.1f}",
        )  # fmt: skip
    return output


def split_table(results: list[Result]) -> Table:
    """Where the time goes, for reading."""
    names = list(dict.fromkeys(name for result in results for name in result.milliseconds))
    made = Table("environment", "robots", "actions", *names, title="milliseconds of one step of all robots")
    for result in results:
        total = sum(result.milliseconds.values())
        cells = [f"{ms:.2f} ({ms / total:.0%})" for ms in (result.milliseconds.get(name, 0.0) for name in names)]
        made.add_row(result.environment, str(result.robots), result.actions, *cells)
    return made


def throughput(
    robots: tuple[int, ...] = (16, 64, 512, 4096),
    ground: tuple[Ground, ...] = ("flat", "rough"),
    seconds: float = 3.0,
    repeats: int = 5,
    policy: Path | None = None,
    out: Path | None = None,
) -> list[Result]:
    """Measure how fast the environment is.

    Args:
        robots: Numbers of robots.
        ground: Grounds: flat, rough.
        seconds: How long each measurement lasts.
        repeats: How often each is repeated.
        policy: Folder of a policy to act too, where it fits; by default the one that is shipped for the ground.
        out: File to write the results to, as JSON.
    """
    console, results = Console(), []
    for kind in ground:
        acting = _policy(kind, policy)
        for count in robots:
            console.print(f"{IDS[kind]}, {count} robots", highlight=False)
            results.append(measure(IDS[kind], count, _random(count, 12), "random", seconds, repeats))
            if acting is not None:
                results.append(measure(IDS[kind], count, acting, "policy", seconds, repeats))
    results = compared(results)
    console.print(table(results))
    console.print(split_table(results))
    if out is not None:
        reports.write(out, _document(results, seconds, repeats), indent=2)
    return results


def _document(results: list[Result], seconds: float, repeats: int) -> dict[str, Any]:
    return {
        **measured_by("throughput", "locoenvs", "mujoco", "gymnasium", "numpy"),
        "seconds": seconds,
        "repeats": repeats,
        "task_hashes": {
            env_id: task_of(env_id, actuator=ACTUATOR).hash for env_id in dict.fromkeys(r.environment for r in results)
        },
        "results": [dataclasses.asdict(result) for result in results],
    }


def _random(robots: int, joints: int) -> Act:
    """Actions of an untrained policy: standard normal."""
    rng = np.random.default_rng(0)
    return lambda _: rng.standard_normal((robots, joints), dtype=np.float32)


def _policy(ground: Ground, path: Path | None) -> Act | None:
    """The policy to act with on that ground, if there is one that fits."""
    task = task_of(IDS[ground], actuator=ACTUATOR)
    folder = path or POLICIES / f"{task.robot.name}_{ground}"
    if path is None and not folder.is_dir():
        return None
    policy = load_policy(folder)
    try:
        policy.check(task)
    except ValueError:
        return None
    return policy


if __name__ == "__main__":
    tyro.cli(throughput)
