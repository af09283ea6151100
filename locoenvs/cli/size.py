"""``locoenvs size``: what a training would amount to, without it."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs import terminal
from locoenvs.cli.arguments import (
    Changes,
    OptionalActuator,
    OptionalInt,
    OptionalPath,
    OptionalText,
    Options,
    changes_given,
    options_given,
    task_given,
)
from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.panel import judge_while_training
from locoenvs.machine import hardware
from locoenvs.tasks.names import nearest
from locoenvs.tasks.task import Task
from locoenvs.training import learners
from locoenvs.training.estimate import Estimate, estimate
from locoenvs.training.geometry import check_memory, geometry, memory_needed
from locoenvs.training.ppo import PPOConfig, changed_ppo, config
from locoenvs.training.settings import TrainSettings
from locoenvs.training.streams import held_out, streams

ENVIRONMENT = "Loco/AnymalC-Rough-v0"


def size(
    env_id: Annotated[str, tyro.conf.Positional] = ENVIRONMENT,
    robots: OptionalInt = None,
    horizon: OptionalInt = None,
    updates: OptionalInt = None,
    learner: str = "rsl_rl",
    backend: str = "auto",
    seed: int = 0,
    recipe: OptionalText = None,
    actuator: OptionalActuator = None,
    device: OptionalText = None,
    options: Options = (),
    measure: bool = True,
    task: OptionalPath = None,
    set_: Changes = (),
) -> None:
    """Say what a training amounts to, an update and the whole run, and about how long it would take here, without training.

    Args:
        env_id: Environment, as shown by list.
        robots: Number of robots.
        horizon: Control steps of each robot an update.
        updates: Updates to do.
        learner: Who learns, as shown by list.
        backend: Physics, as shown by list; auto is the best one on this machine.
        seed: Seed of all randomness.
        recipe: Named set of the task's values: paper, legged_gym or walk.
        actuator: What drives the joints: pd, or lstm.
        device: Where to compute, such as cpu or cuda:0.
        options: The backend's own, as name=value: contact=mujoco, cone=pyramidal, threads=1.
        measure: Train a few robots for a few steps, in seconds, to estimate time and memory.
        task: File of the task, in place of the environment's own; locoenvs task writes one.
        set_: Another value for a field of the task or of PPO: ppo.minibatches=8, timing.decimation=2.
    """
    changes = changes_given(set_)
    for name, value in {"num_envs": robots, "horizon": horizon, "updates": updates}.items():
        if value is not None:
            if f"ppo.{name}" in changes:
                raise ValueError(f"ppo.{name}={changes[f'ppo.{name}']} and {value} by an option: give one of them")
            changes[f"ppo.{name}"] = value
    chosen = TrainSettings(
        env_id, backend=backend, num_envs=robots, seed=seed, device=device, options=options_given(options)
    )
    if task is not None and (recipe is not None or actuator is not None):
        raise ValueError("--task says all of the task: leave --recipe and --actuator out, or change it by --set")
    asked = task_given(task) or task_of(env_id, recipe or "paper", actuator)
    ppo = changed_ppo(config(asked), changes)
    asked = asked.with_({name: value for name, value in changes.items() if not name.startswith("ppo.")})
    check_memory(ppo, asked)
    if learner not in learners.installed():
        raise ValueError(nearest("learner", learner, list(learners.installed())))
    backends.load(backend)
    console = terminal.console()
    console.print(f"{env_id}: recipe {asked.recipe}, task {asked.hash}, seed {seed}, learner {learner}")
    _print_geometry(console, geometry(ppo, asked))
    _print_streams(console, asked, seed)
    if measure:
        _print_estimate(console, ppo, estimate(learner, dataclasses.replace(chosen, num_envs=None), asked, ppo))
    else:
        needed = memory_needed(ppo, asked) / 2**20
        console.print(f"an estimate, not measured: memory {needed:,.0f} MiB for robots and rollouts")
    _print_machine(console)  # last: it knows the GPUs of a library that has been loaded


def _print_geometry(console: Console, numbers: dict[str, Any]) -> None:
    update, run, robots = numbers["per_update"], numbers["whole_run"], numbers["robots"]
    table = Table("", "an update", "the whole run")
    table.columns[1].justify = table.columns[2].justify = "right"
    table.add_row("updates", "1", f"{run['updates']:,}")
    for name, words in (
        ("samples", "samples"),
        ("seconds_per_robot", "seconds of a robot"),
        ("robot_seconds", "seconds of all robots"),
        ("gradient_steps", "gradient steps"),
    ):
        table.add_row(words, _number(update[name]), _number(run[name]))
    console.print(table)
    steps, count, width = update["observation_block"]
    block = 4 * steps * count * width / 2**20
    console.print(f"observations of an update: {steps} steps x {count} robots x {width} numbers, {block:,.1f} MiB")
    console.print(
        f"minibatch: {update['minibatch_size']:,} samples; each sample is used {update['sample_reuse']} times"
    )
    families = robots["seed_families"]
    fewest, most = families["fewest_robots"], families["most_robots"]
    each = f"{most}" if fewest == most else f"{fewest} or {most}"
    ground = ", ".join(f"{kind} {count}" for kind, count in robots["terrain"].items())
    console.print(f"robots: {families['families']} seed families of {each}; by ground: {ground}")


def _print_streams(console: Console, task: Task, seed: int) -> None:
    found = streams(task, seed, [judge_while_training(task), *held_out(task)])
    for name, group in found.items():
        for each in group:
            ground = "a plane" if each["terrain_seed"] is None else f"terrain seed {each['terrain_seed']}"
            panel = f", panel {each['panel']} ({each['panel_hash']})" if "panel" in each else ""
            console.print(f"{name.replace('_', '-')}: seed {each['seed']} of split {each['split']}, {ground}{panel}")


def _print_machine(console: Console) -> None:
    here = hardware()
    memory = "memory unknown" if here["memory_mb"] is None else f"{here['memory_mb']:,.0f} MiB"
    gpus = "; ".join(f"{gpu['name']}, {gpu['memory_mb']:,.0f} MiB" for gpu in here["gpus"])
    console.print(f"machine: {here['cores']} cores of {here['processor']}, {memory}{gpus and f'; {gpus}'}")


def _print_estimate(console: Console, ppo: PPOConfig, cost: Estimate) -> None:
    whole = sum(cost.seconds.values())
    parts = ", ".join(f"{name} {value:.2f}" for name, value in cost.seconds.items())
    gpu = "" if cost.device_memory_mb is None else f", at most {cost.device_memory_mb:,.0f} MiB of the GPU"
    console.print(
        f"an estimate, measured with {cost.robots} robots and scaled to {ppo.num_envs}:\n"
        f"  time of an update {whole:.2f} s ({parts}), {ppo.samples_per_update / whole / 1000:.1f}k samples/s; "
        f"of the whole run {whole * ppo.updates / 3600:.2f} h\n"
        f"  memory {cost.memory_mb:,.0f} MiB of the process{gpu}"
    )


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
