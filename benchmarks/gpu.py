"""All that needs a GPU, in one command: checks, speed, memory, and the trainings of the paper.

::

    python -m locoenvs.benchmarks.gpu --work runs/gpu --minutes 9

It does one part after another, writes each when it is finished and everything so far to ``<work>/gpu.json``, and stops
before its minutes are over. The same command goes on where it stopped, trainings from their last checkpoint, until it
says that all is done. A part that fails twice is left out, with its error. Compiled programs are kept in the work folder
too. Nothing is downloaded. What ``--known`` has of an earlier call, perhaps on another machine, is not done again but stays
in the result, where every part names its GPU::

    python -m locoenvs.benchmarks.gpu --minutes 7 --only checks speed train/flat panel/flat --known benchmarks/results/gpu.json

- checks: robots in the air, on a plane, standing and on stairs against native MuJoCo; draws bit by bit; torch's path
  against jax's; memory over many steps.
- speed: for each number of robots the whole environment with random actions (``jax`` in and out), with a torch network
  that acts (``torch`` in and out), and bare physics: the engine's own steps from the same states with the same actions,
  in turns. A control step is one step of one robot. All parts of a call share one process, so the peak of its memory is
  that of the largest part so far.
- learning: a few updates of RSL-RL's PPO, as they are in training.
- train: the paper's task with the paper's PPO, and the held-out panels at the end, on this backend and on native MuJoCo.
"""

from __future__ import annotations

import dataclasses
import datetime
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import parity
from locoenvs.envs.registration import make_vector
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.machine import hardware
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rows import named_arrays
from locoenvs.policies.policy import POLICIES, Layer, load_policy
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.tasks.task import Task
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

Ground = Literal["flat", "rough"]

IDS: dict[Ground, str] = {"flat": "Loco/AnymalC-Flat-v0", "rough": "Loco/AnymalC-Rough-v0"}
ACTUATOR: ActuatorKind = "pd"
"""What drives the joints, so that bare physics is the same; the paper's own is the learned drive."""
HIDDEN = {"flat": (128, 64, 32), "rough": (512, 256, 128)}
"""The networks of the paper, whose inference is measured."""
PANELS: dict[Ground, tuple[str, ...]] = {"flat": ("flat",), "rough": ("rough", "crossing")}
"""What a trained policy is judged on."""
SPARE = 75.0
"""Seconds that a training leaves for its start, its last checkpoint, its export and the end of the command."""
TRIES = 2
"""A part that failed so often is not tried again."""


@dataclass(frozen=True)
class Plan:
    """How much of everything. Sizes and seconds of the real thing; :data:`SMALL` tries the command itself."""

    robots: tuple[int, ...] = (1024, 2048, 4096, 8192, 16384, 32768)
    both_impls_at: tuple[int, ...] = (4096,)
    learning_at: tuple[int, ...] = (1024, 4096, 16384)
    turn: int = 40
    turns: int = 7
    settle: int = 100
    steady_robots: int = 1024
    steady_steps: int = 10_000
    learning_updates: int = 8
    updates: tuple[tuple[Ground, int], ...] = (("flat", 300), ("rough", 1500))
    train_robots: int = 4096
    check_robots: int = 16
    panel_robots: int | None = None


SMALL = Plan(
    robots=(4,), both_impls_at=(4,), learning_at=(4,), turn=2, turns=2, settle=2, steady_robots=4, steady_steps=20,
    learning_updates=2, updates=(("flat", 2),), train_robots=4, check_robots=4, panel_robots=4,
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What a part works with."""

    plan: Plan
    work: Path
    device: str | None
    deadline: float  # of time.monotonic()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Part:
    """One thing to measure. ``run`` returns what it found, or None if it needs another call to go on."""

    name: str
    run: Callable[[Job], dict[str, Any] | None]
    seconds: float = 60.0  # that must be left to begin it


def parts(plan: Plan) -> Iterator[Part]:
    """All of them, in order: what is quick and what tells whether the rest can be trusted comes first."""
    yield Part("checks/parity", partial(check_parity, task=parity.FLAT, wanted=["air", "plane", "standing"]), 180)
    yield Part("checks/stairs", partial(check_parity, task=parity.STAIRS, wanted=["stairs"]), 180)
    yield Part("checks/draws", check_draws, 120)
    yield Part("checks/torch", check_torch, 120)
    grounds: tuple[Ground, ...] = ("flat", "rough")
    first = [n for n in plan.robots if n in plan.both_impls_at]
    sizes = [(ground, robots) for robots in first for ground in grounds]
    for ground, robots in sizes:
        yield Part(f"speed/{ground}/{robots}", partial(speed, ground=ground, robots=robots), 120)
    for ground, updates in plan.updates:
        yield Part(f"train/{ground}", partial(training, ground=ground, updates=updates), 120)
    for ground, _ in plan.updates:
        for name in PANELS[ground]:
            yield Part(f"panel/{name}", partial(panel, ground=ground, name=name), 150)
    for ground, robots in ((ground, robots) for robots in plan.robots for ground in grounds if robots not in first):
        yield Part(f"speed/{ground}/{robots}", partial(speed, ground=ground, robots=robots), 120)
    yield Part("checks/memory", check_memory, 150)
    for robots in plan.learning_at:
        for ground in grounds:
            yield Part(f"learning/{ground}/{robots}", partial(learning, ground=ground, robots=robots), 120)
    for robots in plan.both_impls_at:
        for ground in grounds:
            yield Part(f"speed-jax/{ground}/{robots}", partial(speed, ground=ground, robots=robots, impl="jax"), 200)
        for mode in ("jax", "warp", "warp_staged_ex", "none"):
            yield Part(f"speed-graph/{mode}/{robots}", partial(graph_speed, robots=robots, mode=mode), 120)


# --- checks -------------------------------------------------------------------------------------------------------------


def _impl(job: Job) -> parity.Name:
    """The implementation that the device gets by itself, by its name."""
    env = environment(job, "flat", 1)
    name = _engine(env).name
    env.close()
    return name


def check_parity(job: Job, task: Task, wanted: list[parity.Part]) -> dict[str, Any]:
    """Rollouts on one ground against native MuJoCo."""
    return parity.trajectories(["mujoco", _impl(job)], task, wanted, job.plan.check_robots, job.device)


def check_draws(job: Job) -> dict[str, Any]:
    """Which of the drawn quantities are not bit by bit those of native MuJoCo after a reset."""
    ours = environment(job, "rough", job.plan.check_robots)
    native = make_vector(IDS["rough"], job.plan.check_robots, actuator=ACTUATOR, backend="mujoco")
    for env in (ours, native):
        env.reset(seed=3)
    a, b = (dict(named_arrays(env.state.episodes)) for env in (ours, native))
    drawn = ("robot", "key", "step", "level", "column", "start_position")
    different = [name for name in drawn if not np.array_equal(convert(a[name], "numpy"), b[name])]
    # All of the command but the yaw rate, which follows from the heading by an arctangent.
    commands = convert(a["command"], "numpy")[:, [0, 1, 3]], b["command"][:, [0, 1, 3]]
    different += [] if np.array_equal(*commands) else ["command"]
    saved, theirs = ours.save(), native.save()
    different += [
        n for n in ("friction", "payload") if not np.array_equal(saved[f"physics.{n}"], theirs[f"physics.{n}"])
    ]
    for env in (ours, native):
        env.close()
    return {"different": different, "equal": not different}


def check_torch(job: Job) -> dict[str, Any]:
    """The same actions through torch and through jax: the largest difference of anything that a step returns."""
    import torch

    robots = job.plan.check_robots
    actions = np.random.default_rng(0).standard_normal((20, robots, 12), dtype=np.float32)
    env, seen = environment(job, "flat", robots), []
    for kind in ("jax", "torch"):
        env.array = kind
        env.reset(seed=1)
        rewards = []
        for action in actions:
            given = torch.tensor(action) if kind == "torch" else convert(action, "jax", env.simulator.device)
            if kind == "torch" and torch.cuda.is_available():
                given = given.cuda()
            observation, reward, *_ = env.step(given)
            given *= 0  # a caller goes on with its tensor
            rewards.append(np.concatenate([convert(observation, "numpy"), convert(reward, "numpy")[:, None]], axis=-1))
        seen.append(np.stack(rewards))
        where = str(observation.device)
    compiled = env._step.compilations  # type: ignore[attr-defined]
    env.close()
    return {
        "largest_difference": float(np.abs(seen[0] - seen[1]).max()),
        "torch_device": where,
        "compilations": compiled,
    }


def check_memory(job: Job) -> dict[str, Any]:
    """Device memory in use, early and after many steps."""
    plan = job.plan
    env = environment(job, "flat", plan.steady_robots)
    env.reset(seed=0)
    action = random_actions(env, 1)[0]
    used = []
    for step in range(plan.steady_steps + 1):
        env.step(action)
        if step in (plan.steady_steps // 100, plan.steady_steps):
            _wait(env)
            used.append(_memory(env))
    env.close()
    return {"steps": plan.steady_steps, "early": used[0], "late": used[1]}


# --- speed --------------------------------------------------------------------------------------------------------------


def environment(job: Job, ground: Ground, robots: int, **options: object) -> LocoVectorEnv:
    """The environment on the device."""
    return make_vector(
        IDS[ground], robots, actuator=ACTUATOR, backend="mjx", device=job.device, array="jax", options=options
    )


def random_actions(env: LocoVectorEnv, count: int) -> list[Any]:
    """Actions of an untrained policy on the device: standard normal."""
    draw = np.random.default_rng(0)
    shape = (count, env.num_envs, env.mdp.num_joints)
    return [convert(action, "jax", env.simulator.device) for action in draw.standard_normal(shape, dtype=np.float32)]


def speed(job: Job, ground: Ground, robots: int, **options: object) -> dict[str, Any]:
    """Control steps a second: the whole environment and bare physics in turns, and with a network that acts."""
    import jax

    plan = job.plan
    begun = time.perf_counter()
    env = environment(job, ground, robots, **options)
    env.reset(seed=0)
    actions = random_actions(env, plan.turn)
    env.step(actions[0])
    _wait(env)
    compiling = time.perf_counter() - begun
    advance = _engine(env).compile(_bare, env.mdp, donate=True)
    for t in range(plan.settle):
        env.step(actions[t % len(actions)])
    rates: dict[str, list[float]] = {"whole": [], "bare": []}
    for turn in range(plan.turns):
        physics = jax.tree.map(lambda a: a.copy(), env.state.physics)
        _wait(env)
        start = time.perf_counter()
        for action in actions:
            env.step(action)
        _wait(env)
        whole = time.perf_counter() - start
        start = time.perf_counter()
        for action in actions:
            physics = advance(physics, action)
        jax.block_until_ready(physics)
        bare = time.perf_counter() - start
        if turn:  # the first one compiles
            rates["whole"].append(plan.turn * robots / whole)
            rates["bare"].append(plan.turn * robots / bare)
    rates |= {f"with {name}": _acting(env, network, plan) for name, network in networks(ground).items()}
    found = {
        "impl": _engine(env).name,
        "robots": robots,
        "control_steps_per_second": {name: round(statistics.median(values)) for name, values in rates.items()},
        "bare_to_whole": round(statistics.median(b / w for b, w in zip(rates["bare"], rates["whole"])), 3),
        "first_step_seconds": round(compiling, 1),
        "memory": _memory(env),
        "repeats": {name: [round(rate) for rate in values] for name, values in rates.items()},
    }
    env.close()
    return found


def graph_speed(job: Job, robots: int, mode: str) -> dict[str, Any]:
    """The speed on flat ground with one of Warp's ways to record CUDA graphs, where it is Warp that steps."""
    name = _impl(job)
    if name != "mjx-warp":
        return {"skipped": f"Warp records graphs, and this is {name}"}
    return speed(job, "flat", robots, graph=mode)


def _bare(mdp: Any, simulator: Any, physics: Any, action: Any) -> Any:
    """One control step of the engine, and nothing of the task."""
    return simulator.advance(physics, mdp.default_pose + mdp.task.robot.action_scale * action)[0]


def networks(ground: Ground) -> dict[str, list[Layer]]:
    """Networks to act with, as layers: the paper's, untrained, and the shipped policy's if there is one."""
    task = task_of(IDS[ground], actuator=ACTUATOR)
    draw = np.random.default_rng(0)
    sizes = (48 if ground == "flat" else 48 + task.observations.heights.size, *HIDDEN[ground], 12)  # type: ignore[union-attr]
    untrained = [
        ((draw.standard_normal((after, before)) / np.sqrt(before)).astype(np.float32), np.zeros(after, np.float32))
        for before, after in zip(sizes[:-1], sizes[1:])
    ]
    made = {"an untrained network": untrained}
    folder = POLICIES / f"{task.robot.name}_{ground}"
    if folder.is_dir():
        made["the shipped policy"] = load_policy(folder).layers()
    return made


def _acting(env: LocoVectorEnv, layers: list[Layer], plan: Plan) -> list[float]:
    """Control steps a second with a torch network in the loop."""
    import torch

    env.array = "torch"
    observation, _ = env.reset(seed=0)
    device = observation.device
    parts: list[torch.nn.Module] = []
    for weight, bias in layers:
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = torch.tensor(weight), torch.tensor(bias)
        parts += [linear, torch.nn.ELU()]
    network = torch.nn.Sequential(*parts[:-1]).to(device)
    rates = []
    with torch.inference_mode():
        for turn in range(plan.turns):
            start = time.perf_counter()
            for _ in range(plan.turn if turn else plan.settle):
                observation, *_ = env.step(network(observation))
            _wait(env)
            if turn:
                rates.append(plan.turn * env.num_envs / (time.perf_counter() - start))
    env.array = "jax"
    return rates


def _engine(env: LocoVectorEnv) -> Any:
    """The backend's own simulator, with what only it has."""
    return env.simulator


def _wait(env: LocoVectorEnv) -> None:
    import jax

    jax.block_until_ready(env.state.physics)


def _memory(env: LocoVectorEnv) -> dict[str, int]:
    """Device memory of this process, MiB: what jax uses now, the most it used since the process began, and what the
    driver says that the process holds, most of which jax reserves ahead."""
    found = {}
    statistics_ = _engine(env).device.memory_stats() or {}
    for name, ours in (("bytes_in_use", "jax_mib_in_use"), ("peak_bytes_in_use", "process_peak_jax_mib_so_far")):
        if name in statistics_:
            found[ours] = statistics_[name] // 2**20
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    if shutil.which(query[0]):
        lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
        mine = [line.split(",")[1] for line in lines if line.split(",")[0].strip() == str(os.getpid())]
        if mine and mine[0].strip().isdigit():
            found["process_mib"] = int(mine[0])
    return found


# --- learning -----------------------------------------------------------------------------------------------------------


def learning(job: Job, ground: Ground, robots: int) -> dict[str, Any]:
    """Seconds of a few updates as they are in training."""
    from locoenvs.wrappers.rsl_rl import train

    folder = job.work / "learning" / f"{ground}-{robots}"
    shutil.rmtree(folder, ignore_errors=True)
    settings = TrainSettings(
        IDS[ground],
        actuator=ACTUATOR,
        backend="mjx",
        num_envs=robots,
        updates=job.plan.learning_updates,
        run=str(folder),
        device=job.device,
    )
    train(IDS[ground], settings)
    lines = [line for line in Run(folder).records() if line["kind"] == "update"][1:]
    seconds = {name: statistics.median(line["seconds"][name] for line in lines) for name in lines[0]["seconds"]}
    rate = statistics.median(line["samples_per_second"] for line in lines)
    return {"robots": robots, "seconds_per_update": seconds, "control_steps_per_second": rate}


def training(job: Job, ground: Ground, updates: int) -> dict[str, Any] | None:
    """The paper's training, or as much of it as there is time for."""
    from locoenvs.wrappers.rsl_rl import train

    folder = job.work / "train" / ground
    resume = (folder / "recipe.json").exists() and (folder / "checkpoint.pt").exists()
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    lines = [line for line in Run(folder).records() if line["kind"] == "update"] if resume else []
    spent = lines[-1]["elapsed_seconds"] if lines else 0.0
    settings = TrainSettings(
        IDS[ground],
        actuator=ACTUATOR,
        backend="mjx",
        num_envs=None if resume else job.plan.train_robots,
        updates=updates,
        minutes=(spent + max(job.left - SPARE, 5.0)) / 60,
        run=None if resume else str(folder),
        resume=str(folder) if resume else None,
        device=job.device,
    )
    train(IDS[ground], settings)
    records = Run(folder).records()
    lines = [line for line in records if line["kind"] == "update"]
    last = lines[-1]
    if last["update"] < updates:
        return None
    every = max(1, len(lines) // 100)
    update = statistics.median(sum(line["seconds"].values()) for line in lines)
    return {
        "updates": last["update"],
        "robots": Run(folder).recipe()["ppo"]["num_envs"],
        "samples": last["samples"],
        "seconds": last["elapsed_seconds"],  # with the first update of every call, which compiles
        "seconds_at_the_median_update": round(update * updates, 1),
        "calls": 1 + sum(line["kind"] == "resume" for line in records),
        "seconds_per_update": {
            name: statistics.median(line["seconds"][name] for line in lines) for name in last["seconds"]
        },
        "curve": [
            (
                line["update"],
                line["elapsed_seconds"],
                line["terms_per_second"]["linear_velocity_tracking"],
                line.get("levels"),
            )
            for line in lines[::every]
        ],
        "policy": str(folder / "policy"),
        "task_hash": Run(folder).recipe()["task_hash"],
    }


def panel(job: Job, ground: Ground, name: str) -> dict[str, Any] | None:
    """The trained policy on a held-out panel for its ground: on this backend, and carried over to native MuJoCo."""
    folder = job.work / "train" / ground
    if not (job.work / "parts" / f"train-{ground}.json").exists():
        errors = _read(job.work / "errors.json").get(f"train/{ground}", [])
        if len(errors) >= TRIES:
            raise RuntimeError(f"train/{ground} failed {len(errors)} times, so there is no policy: {errors[-1]}")
        return None
    policy, held_out = load_policy(folder / "policy"), load_panel(name)
    if job.plan.panel_robots is not None:
        held_out = dataclasses.replace(held_out, num_robots=job.plan.panel_robots)
    found = {}
    for backend, device in (("mjx", job.device), ("mujoco", None)):
        result = evaluate(policy, held_out, backend, device=device)
        (folder / f"{name}-{backend}.json").write_text(result.to_json())
        metrics = {name: dataclasses.asdict(estimate) for name, estimate in result.metrics.items()}
        strata = {
            quantity: {
                label: dataclasses.asdict(group["success_rate"])
                for label, group in groups.items()
                if "success_rate" in group
            }
            for quantity, groups in result.strata.items()
        }
        found[result.backend] = {
            "metrics": metrics,
            "success": {name: rates for name, rates in strata.items() if rates},
        }
    return {"panel": held_out.hash, "backends": found}


# --- the command --------------------------------------------------------------------------------------------------------


def gpu(
    work: Path = Path("runs/gpu"),
    minutes: float = 9.0,
    device: str | None = None,
    only: tuple[str, ...] = (),
    known: Path | None = None,
    small: bool = False,
) -> bool:
    """Do what is left to do.

    Args:
        work: Folder of everything: finished parts, trainings, compiled programs, and gpu.json with all results.
        minutes: Begin nothing that would take longer than this, from now; call again to go on.
        device: Where the robots live; the GPU if there is one by default.
        only: Parts to do, by the beginning of their names: checks speed train panel learning.
        known: Result of an earlier call in another work folder. Its parts are not done again.
        small: A few robots and steps, to try the command itself, on a CPU too; in <work>/small.
    """
    console, plan = Console(), SMALL if small else Plan()
    work = work / "small" if small else work
    work.mkdir(parents=True, exist_ok=True)
    (work / "parts").mkdir(exist_ok=True)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str((work / "cache" / "jax").resolve()))
    os.environ.setdefault("WARP_CACHE_PATH", str((work / "cache" / "warp").resolve()))
    if known is not None:
        take_over(known, plan, work)
    job = Job(plan, work, device, time.monotonic() + 60 * minutes)
    waiting = []
    for part in parts(plan):
        path = work / "parts" / f"{part.name.replace('/', '-')}.json"
        errors = _read(work / "errors.json")
        if path.exists() or len(errors.get(part.name, [])) >= TRIES or (only and not part.name.startswith(only)):
            continue
        if job.left < part.seconds and not small:
            waiting.append(part.name)
            continue
        console.print(f"{part.name}, {job.left:.0f} s left", highlight=False)
        begun = time.monotonic()
        try:
            found = part.run(job)
        except Exception as error:  # the other parts are worth having, and what failed is a result too
            if small:
                raise
            message = f"{type(error).__name__}: {error}"
            console.print(f"{part.name}: {message}", highlight=False, markup=False)
            _write(work / "errors.json", {**errors, part.name: [*errors.get(part.name, []), message]})
            found = None
        if found is None:
            waiting.append(part.name)
        gc.collect()
        if found is not None:
            on = _gpu().get("gpu", hardware()["processor"])
            _write(path, {**found, "part_seconds": round(time.monotonic() - begun, 1), "on": on})
        _write(work / "gpu.json", document(work, plan, waiting))
    _write(work / "gpu.json", document(work, plan, waiting))
    for table in tables(_read(work / "gpu.json").get("parts", {})):
        console.print(table)
    left = f"left to do: {', '.join(waiting)}. Call this command again" if waiting else "all is done"
    console.print(f"{work / 'gpu.json'}: {left}", highlight=False)
    return not waiting


def take_over(known: Path, plan: Plan, work: Path) -> None:
    """Write the parts of an earlier result that this work folder does not have.

    A training that was not judged to the end is left out, with its panels: its policy is not here.
    """
    if not known.is_file():
        raise SystemExit(f"--known {known}: there is no such file. Leave it out to begin with nothing")
    earlier = _read(known)["parts"]
    for ground, panels in PANELS.items():
        trained = {f"train/{ground}", *(f"panel/{name}" for name in panels)}
        if not trained <= earlier.keys():
            earlier = {name: found for name, found in earlier.items() if name not in trained}
    for part in parts(plan):
        path = work / "parts" / f"{part.name.replace('/', '-')}.json"
        if part.name in earlier and not path.exists():
            _write(path, earlier[part.name])


def document(work: Path, plan: Plan, waiting: list[str]) -> dict[str, Any]:
    """All results so far."""
    names = {part.name.replace("/", "-"): part.name for part in parts(plan)}
    finished = {names[path.stem]: _read(path) for path in sorted((work / "parts").glob("*.json")) if path.stem in names}
    return {
        "command": " ".join(["python -m locoenvs.benchmarks.gpu", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": {**hardware(), **_gpu()},
        "versions": {**parity.versions(), **_torch()},
        "task_hashes": {ground: task_of(env_id, actuator=ACTUATOR).hash for ground, env_id in IDS.items()},
        "plan": dataclasses.asdict(plan),
        "waiting": waiting,
        "errors": _read(work / "errors.json"),
        "parts": finished,
    }


def tables(found: dict[str, Any]) -> list[Table]:
    """Speed and trainings for reading."""
    speeds = Table(title="control steps per second")
    columns = ("part", "impl", "whole", "bare", "bare / whole", "with a network", "first step, s")
    for column in (*columns, "process peak so far, MiB"):
        speeds.add_column(column, justify="right" if column != "part" else "left")
    trained = Table("training", "robots", "updates", "seconds", "calls", title="trainings")
    for name, part in found.items():
        if name.startswith("speed") and "skipped" not in part:
            rates = part["control_steps_per_second"]
            acting = next((f"{rate:,}" for key, rate in rates.items() if key.startswith("with")), "")
            memory = part["memory"].get("process_peak_jax_mib_so_far", "")
            speeds.add_row(
                name, part["impl"], f"{rates['whole']:,}", f"{rates['bare']:,}", str(part["bare_to_whole"]), acting,
                str(part["first_step_seconds"]), str(memory),
            )  # fmt: skip
        if name.startswith("train/"):
            trained.add_row(name, *(str(part[key]) for key in ("robots", "updates", "seconds", "calls")))
    return [table for table in (speeds, trained) if table.row_count]


def _gpu() -> dict[str, str]:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    if not shutil.which(query[0]):
        return {}
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return {"gpu": lines[0]} if lines else {}


def _torch() -> dict[str, str]:
    import torch

    return {"torch": torch.__version__}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _write(path: Path, value: dict[str, Any]) -> None:
    write_atomically(path, lambda file: file.write((json.dumps(value, indent=1) + "\n").encode()))


if __name__ == "__main__":
    sys.exit(0 if tyro.cli(gpu) else 3)
