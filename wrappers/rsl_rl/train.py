"""``locoenvs train --learner rsl_rl``: RSL-RL's PPO in a run folder, with a ledger, checkpoints and exact resume."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import signal
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # RSL-RL imports GitPython, which insists on a git binary

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from locoenvs import engines
from locoenvs.arrays import convert
from locoenvs.machine import hardware, memory
from locoenvs.policy import save_policy
from locoenvs.registration import task as task_of
from locoenvs.run import Run
from locoenvs.settings import TrainSettings
from locoenvs.symmetry import mirror
from locoenvs.task import Task
from locoenvs.vector import LocoVectorEnv
from locoenvs.wrappers.rsl_rl.config import PPOConfig, config, geometry, rsl_rl_config
from locoenvs.wrappers.rsl_rl.env import RslRlVecEnv
from locoenvs.wrappers.rsl_rl.mirror import MirrorLinear
from locoenvs.wrappers.rsl_rl.ppo import TimeoutPPO

CHECKPOINT_SECONDS = 60.0


def train(env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None) -> Path:
    """Train a policy and return its run folder, which holds the exported policy.

    A new run takes ``task`` and ``ppo`` from the settings' recipe unless they are given.
    """
    console = Console()
    if settings.resume is not None:
        run = Run.open(Path(settings.resume))
        recipe = _resumed(run.recipe(), settings)
        task, ppo = Task.from_json(json.dumps(recipe["task"])), _ppo(recipe["ppo"])
    else:
        task = task or task_of(env_id, settings.recipe or "paper")
        ppo = ppo or config(task)
        chosen: dict[str, Any] = {"num_envs": settings.num_envs, "updates": settings.updates}
        ppo = dataclasses.replace(ppo, **{name: value for name, value in chosen.items() if value is not None})
        run = Run.create(Path(settings.run or f"runs/{env_id.split('/')[-1]}-{time.strftime('%Y%m%d-%H%M%S')}"))
        recipe = {
            "environment": env_id,
            "learner": "rsl_rl",
            "backend": engines.resolve(settings.backend),
            "seed": settings.seed,
            "minutes": settings.minutes,
            "ppo": dataclasses.asdict(ppo),
            "versions": _versions(),
            "hardware": hardware(),
            "task_hash": task.hash,
            "task": json.loads(task.to_json()),
        }
    recipe["geometry"] = geometry(ppo, task)
    training = Training(run, task, ppo, recipe, settings.device)
    if training.update > ppo.updates:
        raise ValueError(f"updates={ppo.updates}: {run.folder} has done {training.update} already, ask for more")
    wandb = _wandb(run, recipe) if settings.wandb else None
    run.write_recipe(recipe)
    if settings.resume is not None:
        asked = {"updates": ppo.updates, "minutes": recipe["minutes"]}
        run.record("resume", update=training.update, **asked, versions=_versions(), hardware=hardware())
    _print_recipe(console, run, recipe)
    training.learn(console, wandb)
    return run.folder


def _versions() -> dict[str, str]:
    found = {}
    for name in ("locoenvs", "mujoco", "mujoco-mjx", "jax", "warp-lang", "torch", "rsl-rl-lib", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _resumed(recipe: dict[str, Any], settings: TrainSettings) -> dict[str, Any]:
    """The recipe of a run to go on with. Only how long it trains may change, and that counts from the run's start."""
    fixed = {
        "num_envs": (settings.num_envs, recipe["ppo"]["num_envs"]),
        "recipe": (settings.recipe, recipe["task"]["recipe"]),
        "backend": (None if settings.backend == "auto" else settings.backend, recipe["backend"]),
        "seed": (settings.seed or None, recipe["seed"]),
    }
    for name, (asked, given) in fixed.items():
        if asked not in (None, given):
            raise ValueError(f"{name}={asked!r}: the run to resume has {given!r}. Leave it out, or start a new run")
    recipe = dict(recipe)
    if settings.updates is not None:
        recipe["ppo"] = {**recipe["ppo"], "updates": settings.updates}
    if settings.minutes is not None:
        recipe["minutes"] = settings.minutes
    return recipe


class Training:
    """One run: environment, algorithm and counters, which :meth:`learn` drives and a checkpoint holds."""

    def __init__(self, run: Run, task: Task, ppo: PPOConfig, recipe: dict[str, Any], device: str | None = None) -> None:
        self.run, self.task, self.ppo, self.recipe = run, task, ppo, recipe
        self.update = 0
        self.seconds = 0.0
        torch.manual_seed(recipe["seed"])
        env = LocoVectorEnv(task, ppo.num_envs, backend=recipe["backend"], device=device, array="torch")
        self.env = RslRlVecEnv(env, seed=recipe["seed"])
        settings = rsl_rl_config(ppo, mirror(task) if ppo.mirror else None)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the networks
            made = TimeoutPPO.construct_algorithm(self.env.get_observations(), self.env, settings, str(self.env.device))
        assert isinstance(made, TimeoutPPO)
        self.algorithm = made
        self.algorithm.train_mode()
        if run.checkpoint.exists() or run.previous_checkpoint.exists():
            self._restore()
        elif run.ledger.exists():
            run.truncate_ledger(0)

    def learn(self, console: Console, wandb: Any = None) -> None:
        """Update until the recipe's updates or minutes are done, or the user interrupts; then export the policy.

        ``wandb`` is a Weights & Biases run to log to.
        """
        limit = float("inf") if self.recipe["minutes"] is None else self.recipe["minutes"] * 60
        saved_at = time.perf_counter()
        writer = _tensorboard(self.run, self.update)
        with _Interrupt() as interrupt, _progress(console) as progress:
            bar = progress.add_task("", total=self.ppo.updates, completed=self.update, note="")
            while self.update < self.ppo.updates and self.seconds < limit and not interrupt.asked:
                line = self._update()
                self.run.record("update", **line)
                for name, value in _scalars(line):
                    writer.add_scalar(name, value, self.update)
                if wandb is not None:
                    wandb.log(dict(_scalars(line)), step=self.update)
                progress.update(bar, completed=self.update, note=_note(line))
                if time.perf_counter() - saved_at > CHECKPOINT_SECONDS:
                    self.save()
                    saved_at = time.perf_counter()
        writer.close()
        if wandb is not None:
            wandb.finish()
        self.save()
        self.export()
        if self.update < self.ppo.updates:
            why = "Interrupted" if interrupt.asked else f"{self.recipe['minutes']:g} minutes are over"
            more = "" if interrupt.asked else " and more --minutes"
            console.print(
                f"{why} after {self.update} of {self.ppo.updates} updates; go on with --resume {self.run.folder}{more}"
            )

    def _update(self) -> dict[str, Any]:
        """One rollout and one PPO update; its ledger line."""
        seconds = {"environment": 0.0, "inference": 0.0, "learning": 0.0}
        tally = _Tally(self.env.env)
        begun = time.perf_counter()
        observation = self.env.get_observations()
        with torch.inference_mode():
            for _ in range(self.ppo.horizon):
                start = time.perf_counter()
                actions = self.algorithm.act(observation)
                acted = time.perf_counter()
                observation, rewards, dones, extras = self.env.step(actions)
                stepped = time.perf_counter()
                self.algorithm.process_env_step(observation, rewards, dones, extras)
                tally.add(rewards, actions, extras)
                seconds["environment"] += stepped - acted
                seconds["inference"] += acted - start + time.perf_counter() - stepped
            start = time.perf_counter()
            self.algorithm.compute_returns(observation)
        losses = self.algorithm.update()
        now = time.perf_counter()
        seconds["learning"] = now - start
        self.update += 1
        self.seconds += now - begun
        return {
            "update": self.update,
            "samples": self.update * self.ppo.samples_per_update,
            "elapsed_seconds": round(self.seconds, 2),
            "seconds": {name: round(value, 4) for name, value in seconds.items()},
            "samples_per_second": round(self.ppo.samples_per_update / (now - begun), 1),
            **tally.means(),
            "losses": {name: float(value) for name, value in losses.items()},
            "learning_rate": self.algorithm.learning_rate,
            "action_std": float(self.algorithm.actor.output_std.mean().detach()),
            "memory_mb": round(memory() / 2**20, 1),
        }

    def save(self) -> None:
        """Checkpoint everything that the next update depends on."""
        state = {
            "update": self.update,
            "seconds": self.seconds,
            "algorithm": self.algorithm.save(),
            "learning_rate": self.algorithm.learning_rate,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "env": {name: torch.from_numpy(np.atleast_1d(value)) for name, value in self.env.env.save().items()},
            "task_hash": self.task.hash,
        }
        self.run.save_checkpoint(lambda file: torch.save(state, file))
        self.run.record("checkpoint", update=self.update)

    def _restore(self) -> None:
        state = _load_checkpoint(self.run)
        if state["task_hash"] != self.task.hash:
            raise ValueError(f"{self.run.folder}: the checkpoint is of task {state['task_hash']}, not {self.task.hash}")
        self.algorithm.load(state["algorithm"], None, strict=True)
        self.algorithm.learning_rate = state["learning_rate"]
        saved = {name: value.numpy() for name, value in state["env"].items()}
        saved["clock"] = saved["clock"].reshape(())
        self.env.restore(saved)
        self.update, self.seconds = state["update"], state["seconds"]
        torch.set_rng_state(state["rng"])
        if torch.cuda.is_available() and len(state.get("cuda_rng", [])) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        self.run.truncate_ledger(self.update)

    def export(self) -> None:
        """Write the policy as ONNX and JSON."""
        linear = [module for module in self.algorithm.get_policy().mlp if isinstance(module, torch.nn.Linear)]
        pairs = [
            layer.projected() if isinstance(layer, MirrorLinear) else (layer.weight, layer.bias) for layer in linear
        ]
        layers = [(weight.detach().cpu().numpy(), bias.detach().cpu().numpy()) for weight, bias in pairs]
        kept = ("environment", "learner", "backend", "seed", "versions", "task_hash")
        provenance = {name: self.recipe[name] for name in kept}
        provenance |= {"updates": self.update, "samples": self.update * self.ppo.samples_per_update}
        save_policy(self.run.policy, self.task, layers, activation=self.ppo.activation, provenance=provenance)


class _Tally:
    """Means over the steps of one rollout, summed where the tensors are."""

    def __init__(self, env: LocoVectorEnv) -> None:
        self.env = env
        self.steps = 0
        self.sums: dict[str, torch.Tensor] = {}

    def add(self, rewards: torch.Tensor, actions: torch.Tensor, extras: dict[str, Any]) -> None:
        self.steps += 1
        terms, reason = extras["reward_terms"], extras["reset_reason"]
        kinds = torch.arange(len(self.env.reset_reasons), device=reason.device)
        self._add("reward", rewards.mean())
        self._add("terms", torch.stack([value.mean() for value in terms.values()]))
        self._add("reasons", (reason[:, None] == kinds).sum(dim=0))
        self._add("clipped", (actions.abs() > self.env.task.action_clip).float().mean())
        self.names = list(terms)

    def _add(self, name: str, value: torch.Tensor) -> None:
        self.sums[name] = self.sums[name] + value if name in self.sums else value

    def means(self) -> dict[str, Any]:
        """Rewards are per second of robot time, so that a term's largest value is its weight."""
        per_second = 1 / (self.steps * self.env.task.timing.control_dt)
        terms = dict(zip(self.names, self.sums["terms"].tolist(), strict=True))
        reasons = self.sums["reasons"].tolist()
        names = self.env.reset_reasons[1:]
        line: dict[str, Any] = {
            "reward_per_second": float(self.sums["reward"]) * per_second,
            "terms_per_second": {name: value * per_second for name, value in terms.items()},
            "resets": dict(zip(names, reasons[1:], strict=True)),
            "action_clip_rate": float(self.sums["clipped"]) / self.steps,
        }
        if self.env.task.terrain.kind == "tiles":
            line["levels"] = _levels(self.env)
        return line


def _levels(env: LocoVectorEnv) -> dict[str, float]:
    """Mean level of the robots on each kind of terrain."""
    episodes, kinds = env.state.episodes, np.array(env.mdp.height_map.kinds)
    level, kind = convert(episodes.level, "numpy"), kinds[convert(episodes.column, "numpy")]
    return {str(name): float(level[kind == name].mean()) for name in np.unique(kind)}


def _load_checkpoint(run: Run) -> dict[str, Any]:
    """The newest checkpoint that can be read. Only tensors and plain values are loaded, never code."""
    unreadable = {}
    for path in (run.checkpoint, run.previous_checkpoint):
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            if not isinstance(state, dict) or "task_hash" not in state:
                raise ValueError("it is not a checkpoint of this learner")
        except FileNotFoundError:
            continue
        except Exception as error:  # torch raises many kinds for a file that is cut short or foreign
            unreadable[path] = f"{path}: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            continue
        for problem in unreadable.values():
            warnings.warn(f"going on from the checkpoint before: {problem}", stacklevel=2)
        if unreadable:
            run.set_aside_newest()
        return state
    raise ValueError(
        f"no checkpoint can be read: {'; '.join(unreadable.values())}. Restore one from a backup, or start a new run"
    )


def _ppo(saved: dict[str, Any]) -> PPOConfig:
    return PPOConfig(**{**saved, "hidden": tuple(saved["hidden"])})


def _print_recipe(console: Console, run: Run, recipe: dict[str, Any]) -> None:
    shown = recipe["geometry"]
    console.print(
        f"[bold]{recipe['environment']}[/bold]  task {recipe['task_hash']}  recipe {recipe['task']['recipe']}"
    )
    console.print(f"run folder {run.folder}, seed {recipe['seed']}, backend {recipe['backend']}, {recipe['hardware']}")
    console.print(", ".join(f"{name} {value}" for name, value in shown.items()), highlight=False)


def _tensorboard(run: Run, update: int) -> Any:
    """A writer after ``update``: what an earlier one wrote beyond it is dropped."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run.folder / "tensorboard"), purge_step=update + 1)


def _wandb(run: Run, recipe: dict[str, Any]) -> Any:
    """A Weights & Biases run in the group of the run's name. WANDB_MODE=offline works without an account."""
    try:
        import wandb
    except ImportError as error:
        raise ImportError('--wandb needs wandb: pip install "locoenvs[wandb]"') from error
    name = run.folder.resolve().name
    try:
        return wandb.init(project="locoenvs", group=name, name=name, dir=str(run.folder), config=recipe)
    except wandb.Error as error:
        raise ValueError(f"Weights & Biases: {error}. Log in by `wandb login`, or set WANDB_MODE=offline") from error


def _scalars(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a ledger line with slash-separated names."""
    for name, value in line.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{key}", number) for key, number in value.items())
        else:
            yield name, value


def _note(line: dict[str, Any]) -> str:
    tracking = line["terms_per_second"].get("linear_velocity_tracking", 0.0)
    rate = line["samples_per_second"] / 1000
    return f"reward {line['reward_per_second']:.2f}/s  tracking {tracking:.2f}  {rate:.1f}k samples/s"


def _progress(console: Console) -> Progress:
    columns = ("{task.completed}/{task.total} updates", BarColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
    shown = [TextColumn(column) if isinstance(column, str) else column for column in columns]
    return Progress(*shown, TextColumn("{task.fields[note]}"), console=console, refresh_per_second=2)


class _Interrupt:
    """Within it, the first Ctrl-C asks for a stop after the current update; the second stops at once."""

    def __enter__(self) -> _Interrupt:
        self.asked = False
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
