"""One environment in a process of its own: ``python worker.py CONTESTANT ROBOTS THREADS FOLDER``.

Runs in an interpreter that has the peer and nothing of this project, so it is one file without imports of it, but where the
contestant is this project. It speaks JSON in lines: what it made first; then for every number of seconds that it is given,
how many control steps it did in how many seconds; a line that is empty ends it. What else is printed goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SETTLE = 50
"""Control steps before anything is measured, as many as :mod:`..throughput` does."""

Rates = dict[str, list[float]]
"""Name -> control steps of one robot, and the seconds that they took."""


class Stepped:
    """An environment that a function steps; random actions, drawn before the clock starts, are uniform in +-1."""

    def __init__(self, step: Callable[[Any], object], robots: int, joints: int, convert: Callable[[Any], Any]) -> None:
        draws = np.random.default_rng(0).uniform(-1, 1, (16, robots, joints))
        self._actions = [convert(draw) for draw in draws]
        self._step, self._robots, self._count = step, robots, 0

    def settle(self, steps: int = SETTLE) -> None:
        for _ in range(steps):
            self._next()

    def rates(self, seconds: float) -> Rates:
        done, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            self._next()
            done += 1
        return {"environment": [done * self._robots, time.perf_counter() - begin]}

    def _next(self) -> None:
        self._step(self._actions[self._count % len(self._actions)])
        self._count += 1


def locoenvs(asked: dict[str, Any], robots: int, threads: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """This project's batch, and bare physics of the same states and actions beside it."""
    from locoenvs.benchmarks.throughput import ACTUATOR, Contest
    from locoenvs.envs.registration import make_vector

    env = make_vector(asked["task"], robots, actuator=ACTUATOR, backend="mujoco", options={"threads": threads})
    observation, _ = env.reset(seed=0)
    joints = len(env.task.robot.joints)
    stepped = Stepped(env.step, robots, joints, lambda draw: draw.astype(np.float32))
    stepped.settle(3)
    timing, model = env.task.timing, env.simulator.model  # type: ignore[attr-defined]
    facts = {
        "physics_seconds": timing.physics_dt,
        "physics_steps": timing.decimation,
        "observation": observation.shape[-1],
        "touching": int(((model.geom_contype | model.geom_conaffinity) > 0).sum()) - 1,
        "memory_mb": memory(),
    }
    env.close()
    random = np.random.default_rng(0)

    def act(_: np.ndarray) -> np.ndarray:
        return random.uniform(-1, 1, (robots, joints)).astype(np.float32)

    return _Both(Contest(asked["task"], robots, act)), facts


class _Both:
    def __init__(self, contest: Any) -> None:
        self._contest = contest

    def rates(self, seconds: float) -> Rates:
        whole, bare = self._contest.rates(seconds)
        return {"environment": [whole, 1.0], "mujoco.batch": [bare, 1.0]}


def separate(asked: dict[str, Any], robots: int, threads: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """This project's single robot, vectorized by Gymnasium."""
    from locoenvs.benchmarks.throughput import ACTUATOR, Separate
    from locoenvs.envs.registration import task

    timing = task(asked["task"], actuator=ACTUATOR).timing
    return _gymnasium(Separate(asked["task"], robots, asked["mode"]).env, robots, timing.physics_dt, timing.decimation)


def gymnasium(asked: dict[str, Any], robots: int, threads: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A robot that comes with Gymnasium, vectorized by it."""
    import gymnasium

    one: Any = gymnasium.make(asked["task"]).unwrapped
    env = gymnasium.make_vec(asked["task"], robots, vectorization_mode=asked["mode"])
    stepped, facts = _gymnasium(env, robots, one.model.opt.timestep, one.frame_skip)
    touching = int(((one.model.geom_contype | one.model.geom_conaffinity) > 0).sum()) - 1
    return stepped, facts | {"touching": touching}


def _gymnasium(env: Any, robots: int, physics: float, steps: int) -> tuple[Stepped, dict[str, Any]]:
    env.reset(seed=0)
    space = env.single_action_space
    stepped = Stepped(env.step, robots, space.shape[0], lambda draw: draw.astype(space.dtype))
    stepped.settle()
    observation = env.single_observation_space.shape[0]
    return stepped, {
        "physics_seconds": physics, "physics_steps": steps, "observation": observation, "memory_mb": memory(),
    }  # fmt: skip


def envpool(asked: dict[str, Any], robots: int, threads: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A robot of EnvPool's, all of them stepped together."""
    import envpool

    env = envpool.make(asked["task"], env_type="gymnasium", num_envs=robots, num_threads=min(threads, robots), seed=0)
    space, known = env.action_space, env.config
    observation, _ = env.reset()
    stepped = Stepped(env.step, robots, space.shape[-1], lambda draw: np.ascontiguousarray(draw, dtype=space.dtype))
    stepped.settle()
    shown = observation["state"] if isinstance(observation, dict) else observation
    if "ctrl_dt" in known:
        physics, steps = known["sim_dt"], round(known["ctrl_dt"] / known["sim_dt"])
    else:
        physics, steps = 0.01, known["frame_skip"]  # Gymnasium's Ant, as its model file says
    facts = {"physics_seconds": physics, "physics_steps": steps, "observation": shown.shape[-1]}
    return stepped, facts | {"memory_mb": memory()}


def unilab(asked: dict[str, Any], robots: int, threads: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A robot of UniLab's on native MuJoCo, with the settings of its PPO."""
    package = prepare_unilab(folder)
    import torch
    from hydra import compose, initialize_config_dir
    from unilab.base.config_adapter import create_env
    from unilab.scripts.train_rsl_rl import build_ppo_env_cfg_override
    from unilab.training import ensure_registries

    torch.set_num_threads(threads)
    with initialize_config_dir(str(package / "conf" / "ppo"), version_base="1.3"):
        overrides = [f"task={asked['task']}", f"algo.num_envs={robots}", "training.device=cpu"]
        config = compose("config", overrides=overrides)
    ensure_registries()
    env = create_env(config, num_envs=robots, env_cfg_override=build_ppo_env_cfg_override(config))
    env.init_state()
    torch.inference_mode().__enter__()
    stepped = Stepped(env.step, robots, env.action_space.shape[0], lambda draw: torch.tensor(draw, dtype=torch.float32))
    stepped.settle()
    steps = round(env.step_dt / env.physics_dt)
    observation = next(iter(env.obs_groups_spec.values()))
    return stepped, {
        "physics_seconds": env.physics_dt, "physics_steps": steps, "observation": observation, "memory_mb": memory(),
    }  # fmt: skip


def prepare_unilab(folder: Path) -> Path:
    """Make a folder one that UniLab's wheel runs in, go there, and return where the package is.

    Its paths are those of a source checkout, ``src/unilab``. The meshes for looking at come from a hub when it is used
    first: small ones take their place, as they touch nothing and every body has an inertia of its own.
    """
    from importlib.util import find_spec

    found = find_spec("unilab")
    assert found is not None and found.origin is not None
    package = Path(found.origin).parent
    (folder / "src").mkdir(parents=True, exist_ok=True)
    if not (folder / "src" / "unilab").exists():
        (folder / "src" / "unilab").symlink_to(package)
    robot = package / "assets" / "robots" / "go2"
    (robot / "assets").mkdir(exist_ok=True)
    corners = "v 0 0 0\nv 0.01 0 0\nv 0 0.01 0\nv 0 0 0.01\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
    for line in (robot / "go2.xml").read_text().splitlines():
        if "<mesh file=" in line and not (mesh := robot / "assets" / line.split('"')[1]).exists():
            mesh.write_text(corners)
    os.chdir(folder)
    return package


def memory() -> float | None:
    """Resident memory of this process and its children, MB, pages that several share counted once. None but on Linux."""
    if sys.platform != "linux":
        return None
    waiting, kilobytes = [os.getpid()], 0
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        kilobytes += next(
            int(line.split()[1]) for line in (process / "smaps_rollup").read_text().splitlines() if "Pss:" in line
        )
        for task in (process / "task").iterdir():
            waiting += map(int, (task / "children").read_text().split())
    return round(kilobytes / 1024, 1)


KINDS = {
    "locoenvs": locoenvs,
    "separate": separate,
    "gymnasium": gymnasium,
    "envpool": envpool,
    "unilab": unilab,
}


def main() -> None:
    """Make the environment, then measure whenever it is asked to."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the libraries print
    asked, robots, threads, folder = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    begin = time.perf_counter()
    contestant, facts = KINDS[asked["kind"]](asked, robots, threads, folder)
    channel.write(json.dumps(facts | {"make_seconds": round(time.perf_counter() - begin, 2)}) + "\n")
    for line in sys.stdin:
        if not line.strip():
            break
        channel.write(json.dumps(contestant.rates(float(line))) + "\n")
    channel.close()
    os._exit(0)  # threads of a peer keep nobody waiting


if __name__ == "__main__":
    main()
