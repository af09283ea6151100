"""``locoenvs train``, whoever learns: a run folder with a ledger, checkpoints, exact resume and an exported policy."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from rich.console import Console

from locoenvs import install
from locoenvs.cli import terminal
from locoenvs.envs import engines
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.evaluate import Result
from locoenvs.machine import hardware, memory, versions
from locoenvs.mdp.symmetry import Mirror, mirror
from locoenvs.numerics.arrays import Kind
from locoenvs.policies.policy import Layer, Policy, load_policy, save_policy
from locoenvs.policies.transfer import layers_for
from locoenvs.tasks.task import Task, hash_of
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers.metered import MeteredEnv
from locoenvs.wrappers.networks import check_symmetric
from locoenvs.wrappers.ppo import PPOConfig, check_memory, config, geometry
from locoenvs.wrappers.progress import Progress, Stop
from locoenvs.wrappers.validation import Validation, described, plan

CHECKPOINT_SECONDS = 60.0

START_STD = 0.4
"""Standard deviation of the actions of a run that starts from a policy."""


@dataclass(frozen=True)
class Update:
    """What a learner says of one update. ``learning_seconds`` is the part that was not spent on the rollout.

    ``losses`` are without their coefficients: "value" is the squared error, "entropy" the entropy of the policy itself,
    left out where a learner without a coefficient for it does not tell.
    """

    learning_seconds: float
    losses: dict[str, float]
    learning_rate: float
    action_std: float


class Learner(Protocol):
    """A library's PPO on one environment. Randomness is torch's and numpy's global one, or is saved by the learner."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """The distributions whose versions decide what it does."""
    array: ClassVar[Kind]
    """What arrays the environment should return."""

    def __init__(self, env: MeteredEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        """Reset ``env`` with ``seed`` and build the networks, left-right symmetric by ``mirror`` if it is given."""

    def update(self) -> Update:
        """One rollout of ``ppo.horizon`` steps and what is learned from it."""

    def save(self) -> dict[str, Any]:
        """All that the next update depends on, beside the environment: a tree of tensors and plain values."""

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        """Go on from what :meth:`save` returned, with the observation that the environment gives to act on next."""

    def layers(self) -> list[Layer]:
        """The layers that map an observation to the mean of the actions."""

    def start_from(self, given: list[Layer]) -> None:
        """Let :meth:`layers` be these; raises ValueError if they do not fit."""


def train(
    kind: type[Learner], env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None
) -> Path:
    """Train a policy by a ``kind`` of learner and return its run folder, which holds the exported policy.

    A new run takes ``task`` and ``ppo`` from the settings' recipe unless they are given.
    """
    start, first = None, list[Layer]()
    if settings.wandb:
        _import_wandb()
    if settings.resume is not None:
        if settings.start_from is not None:
            raise ValueError("start_from is for a new run, and resume for going on with one: leave one of them out")
        if settings.run is not None and Path(settings.run) != Path(settings.resume):
            raise ValueError(
                f"run {settings.run!r} is for a new run, but {settings.resume!r} is resumed: leave one out"
            )
        run = Run.open(Path(settings.resume))
        made = run.recipe()
        if ppo is not None and settings.num_envs is not None:
            ppo = dataclasses.replace(ppo, num_envs=settings.num_envs)
        _check_same(made, env_id, task, ppo)
        recipe = _resumed(made, kind, settings)
        task, ppo = _task(run, recipe), _ppo(recipe["ppo"])
    else:
        task = task or task_of(env_id, settings.recipe or "paper", settings.actuator)
        ppo = ppo or config(task)
        chosen: dict[str, Any] = {"num_envs": settings.num_envs, "updates": settings.updates}
        ppo = dataclasses.replace(ppo, **{name: value for name, value in chosen.items() if value is not None})
        if settings.start_from is not None:
            start = load_policy(settings.start_from)
            first, ppo = _first_layers(start, task, ppo)
        run = Run(Path(settings.run or f"runs/{env_id.split('/')[-1]}-{time.strftime('%Y%m%d-%H%M%S')}"))
        Run.check_free(run.folder)
        check_memory(ppo, task)
        recipe = {
            "id": uuid.uuid4().hex,
            "environment": env_id,
            "learner": kind.name,
            "backend": engines.resolve(settings.backend),
            "options": dict(settings.options or {}),
            "seed": settings.seed or 0,
            "minutes": settings.minutes,
            "validation": plan(settings),
            "start_from": None if start is None else {"sha256": start.sha256, **start.provenance},
            "ppo": dataclasses.asdict(ppo),
            "versions": _versions(kind),
            "hardware": hardware(),
            "task_hash": task.hash,
            "task": json.loads(task.to_json()),
        }
    recipe["geometry"] = geometry(ppo, task)
    if settings.resume is not None:
        with run.locked():
            _learn(Training(kind, run, task, ppo, recipe, settings.device, resume=True), settings)
        return run.folder
    training = Training(kind, run, task, ppo, recipe, settings.device)
    if first:
        training.learner.start_from(first)
    was_there = run.folder.exists()
    Run.create(run.folder)
    try:
        with run.locked():
            _learn(training, settings)
    except BaseException:
        if not (was_there or training.update or run.checkpoint.exists()):
            run.remove()  # nothing was trained
        raise
    return run.folder


def _learn(training: Training, settings: TrainSettings) -> None:
    """Write down what is asked for, and train until it is done."""
    run, recipe, console = training.run, training.recipe, terminal.console()
    if training.update > training.ppo.updates:
        raise ValueError(
            f"updates={training.ppo.updates}: {run.folder} has done {training.update} already, ask for more"
        )
    wandb = _wandb(run, recipe) if settings.wandb else None
    run.write_recipe(recipe)
    if settings.resume is not None:
        asked = {"updates": training.ppo.updates, "minutes": recipe["minutes"]}
        versions = _versions(type(training.learner))
        run.record("resume", update=training.update, **asked, versions=versions, hardware=hardware())
    _print_recipe(console, run, recipe)
    training.learn(console, wandb)


def _first_layers(start: Policy, task: Task, ppo: PPOConfig) -> tuple[list[Layer], PPOConfig]:
    """The layers to begin with, and settings for networks of that shape that explore around what they can do."""
    network = start.document["network"]
    shape = {"hidden": tuple(network["hidden"]), "activation": network["activation"], "initial_std": START_STD}
    layers = layers_for(start, task)
    if ppo.mirror:
        check_symmetric(layers, mirror(task))
    return layers, dataclasses.replace(ppo, **shape)


def _versions(kind: type[Learner]) -> dict[str, str]:
    return versions("locoenvs", "mujoco", "mujoco-mjx", "jax", "warp-lang", "torch", *kind.packages, "numpy")


def _check_same(recipe: dict[str, Any], env_id: str, task: Task | None, ppo: PPOConfig | None) -> None:
    """Raise ValueError if the run to resume is of another environment, task or settings than those that are given."""
    pairs: dict[str, tuple[Any, Any]] = {"environment": (env_id or recipe["environment"], recipe["environment"])}
    if task is not None:
        what = "robot {} on task {}"
        made = what.format(recipe["task"]["robot"]["name"], recipe["task_hash"])
        pairs["task"] = (what.format(task.robot.name, task.hash), made)
    if ppo is not None:
        free = {"updates"} | ({"hidden", "activation", "initial_std"} if recipe["start_from"] else set())
        theirs = dataclasses.asdict(_ppo(recipe["ppo"]))
        own = dataclasses.asdict(ppo)
        pairs |= {f"ppo.{name}": (own[name], theirs[name]) for name in own if name not in free}
    for name, (asked, given) in pairs.items():
        if asked != given:
            raise ValueError(f"{name} {asked!r}: the run to resume has {given!r}. Start a new run, or resume another")


def _resumed(recipe: dict[str, Any], kind: type[Learner], settings: TrainSettings) -> dict[str, Any]:
    """The recipe of a run to go on with. Only how long it trains may change, and that counts from the run's start."""
    options = _options(recipe)
    fixed = {
        "learner": (kind.name, recipe["learner"]),
        "num_envs": (settings.num_envs, recipe["ppo"]["num_envs"]),
        "recipe": (settings.recipe, recipe["task"]["recipe"]),
        "actuator": (settings.actuator, recipe["task"]["actuator"]["kind"]),
        "backend": (None if settings.backend == "auto" else settings.backend, recipe["backend"]),
        "options": ({**options, **settings.options} if settings.options else None, options),
        "seed": (settings.seed, recipe["seed"]),
    }
    for name, (asked, given) in fixed.items():
        if asked not in (None, given):
            raise ValueError(f"{name}={asked!r}: the run to resume has {given!r}. Leave it out, or start a new run")
    recipe = dict(recipe)
    if settings.updates is not None:
        recipe["ppo"] = {**recipe["ppo"], "updates": settings.updates}
    if settings.minutes is not None:
        recipe["minutes"] = settings.minutes
    if settings.validate_every is not None:
        recipe["validation"] = plan(settings)
    return recipe


_OPTIONS_BEFORE: dict[str, dict[str, object]] = {
    "mujoco": {"contact": "mujoco", "cone": "pyramidal"},
    "mjx": {"cone": "pyramidal"},
}
"""What version 0.1.0, whose recipes do not tell, ran backends with where it differs from their options of today."""


def _options(recipe: dict[str, Any]) -> dict[str, Any]:
    """The options of a run's backend."""
    return dict(recipe["options"] if "options" in recipe else _OPTIONS_BEFORE.get(recipe["backend"], {}))


class Training:
    """One run: environment, learner and counters, which :meth:`learn` drives and a checkpoint holds.

    A new run takes nothing from its folder; with ``resume`` it goes on from its own checkpoint, or starts over without one.
    """

    def __init__(
        self,
        kind: type[Learner],
        run: Run,
        task: Task,
        ppo: PPOConfig,
        recipe: dict[str, Any],
        device: str | None = None,
        resume: bool = False,
    ) -> None:
        self.run, self.task, self.ppo, self.recipe = run, task, ppo, recipe
        self.update = 0
        self.seconds = 0.0
        self.validation = Validation.of(task, recipe)
        options = _options(recipe)
        torch.manual_seed(recipe["seed"])
        np.random.seed(recipe["seed"] % 2**32)
        self.env = MeteredEnv(
            task,
            ppo.num_envs,
            backend=recipe["backend"],
            options=options,
            device=device,
            array=kind.array,
            privileged=ppo.privileged,
        )
        recipe["options"] = {**options, **self.env.simulator.options}
        self.learner = kind(self.env, ppo, mirror(task) if ppo.mirror else None, recipe["seed"])
        if resume and (run.checkpoint.exists() or run.previous_checkpoint.exists()):
            self._restore()
        elif resume:
            run.truncate_ledger(0)

    def learn(self, console: Console, wandb: Any = None) -> None:
        """Update until the recipe's updates or minutes are done, or a signal asks to stop; then save and export the policy.

        ``wandb`` is a Weights & Biases run to log to. Raises KeyboardInterrupt after Ctrl-C, and SystemExit with 128 and
        the signal's number after SIGTERM or SIGHUP, once all is saved.
        """
        limit = float("inf") if self.recipe["minutes"] is None else self.recipe["minutes"] * 60
        saved_at, first = time.perf_counter(), self.update
        writer = _tensorboard(self.run, self.update)
        with Stop() as stop, Progress(console, self.ppo.updates, self.update) as progress:
            while self.update < self.ppo.updates and self.seconds < limit and not stop.signal:
                line = self._update()
                self.run.record("update", **line)
                for name, value in _scalars(line):
                    writer.add_scalar(name, value, self.update)
                if wandb is not None:
                    wandb.log(dict(_scalars(line)), step=self.update)
                progress.show(line)
                if self.validation is not None and self.validation.due(self.update):
                    judged = self._validate(self.validation)
                    progress.say(described(judged))
                    for name, estimate in judged.metrics.items():
                        writer.add_scalar(f"validation/{name}", estimate.value, self.update)
                    if self.validation.reached:
                        break
                if self.update == first + 2 < self.ppo.updates:
                    progress.say(_duration(line, self.ppo, self.task, self.recipe, limit - self.seconds))
                if time.perf_counter() - saved_at > CHECKPOINT_SECONDS:
                    self.save()
                    saved_at = time.perf_counter()
        writer.close()
        if wandb is not None:
            wandb.finish()
        self.save()
        self.export()
        if self.validation is not None and self.validation.reached:
            console.print(
                f"good enough {self.validation.met} times in a row after {self.update} updates, {_time(self.seconds)}"
            )
        elif self.update < self.ppo.updates:
            why = f"Interrupted by {stop.name}" if stop.signal else f"{self.recipe['minutes']:g} minutes are over"
            more = "" if stop.signal else " and more --minutes"
            console.print(
                f"{why} after {self.update} of {self.ppo.updates} updates; go on with --resume {self.run.folder}{more}"
            )
        stop.end()

    def _validate(self, validation: Validation) -> Result:
        """Export the policy as it is, judge it and write down what was found. It counts as time of the training."""
        begun = time.perf_counter()
        self.export()
        backend, options = self.recipe["backend"], self.recipe["options"]
        result = validation.judge(load_policy(self.run.policy), backend, options, self.env.device)
        spent = time.perf_counter() - begun
        self.seconds += spent
        metrics = {name: estimate.value for name, estimate in result.metrics.items()}
        elapsed = {"elapsed_seconds": round(self.seconds, 2), "seconds": round(spent, 2)}
        resets = result.reset_reasons
        self.run.record("validation", update=self.update, **elapsed, met=validation.met, metrics=metrics, resets=resets)
        return result

    def _update(self) -> dict[str, Any]:
        """One update; its ledger line."""
        self.env.clear()
        begun = time.perf_counter()
        done = self.learner.update()
        spent = time.perf_counter() - begun
        self.update += 1
        self.seconds += spent
        seconds = {
            "environment": self.env.seconds,
            "inference": spent - self.env.seconds - done.learning_seconds,
            "learning": done.learning_seconds,
        }
        return {
            "update": self.update,
            "samples": self.update * self.ppo.samples_per_update,
            "elapsed_seconds": round(self.seconds, 2),
            "seconds": {name: round(value, 4) for name, value in seconds.items()},
            "samples_per_second": round(self.ppo.samples_per_update / spent, 1),
            **self.env.tally(),
            "losses": done.losses,
            "learning_rate": done.learning_rate,
            "action_std": done.action_std,
            "memory_mb": round(memory() / 2**20, 1),
        }

    def save(self) -> None:
        """Checkpoint everything that the next update depends on."""
        state = {
            **self._identity(),
            "update": self.update,
            "seconds": self.seconds,
            "met_bar": 0 if self.validation is None else self.validation.met,
            "algorithm": self.learner.save(),
            "rng": {
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
                "numpy": _numpy_rng(),
            },
            "env": {name: torch.from_numpy(np.atleast_1d(value)) for name, value in self.env.save().items()},
        }
        self.run.save_checkpoint(lambda file: torch.save(state, file))
        self.run.record("checkpoint", update=self.update)

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must have been made by to be gone on with here."""
        return {
            "run": self.recipe.get("id"),  # those of version 0.1.0 have none, nor have their checkpoints
            "seed": self.recipe["seed"],
            "learner": self.recipe["learner"],
            "robot": self.task.robot.name,
            "observations": self.env.mdp.observation_size,
            "task_hash": self.recipe["task_hash"],
        }

    def _restore(self) -> None:
        state = _load_checkpoint(self.run)
        for name, own in self._identity().items():
            if name in ("run", "seed") and name not in state and self.recipe.get("id") is None:
                continue
            if state.get(name) != own:
                what = name.replace("task_hash", "task")
                raise ValueError(f"{self.run.folder}: the checkpoint is of {what} {state.get(name)}, not {own}")
        saved = {name: value.numpy() for name, value in state["env"].items()}
        saved["clock"] = saved["clock"].reshape(())
        self.learner.load(state["algorithm"], self.env.restore(saved))
        self.update, self.seconds = state["update"], state["seconds"]
        if self.validation is not None:
            self.validation.met = state.get("met_bar", 0)
        torch.set_rng_state(state["rng"]["torch"])
        if torch.cuda.is_available() and len(state["rng"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["rng"]["cuda"])
        _set_numpy_rng(state["rng"]["numpy"])
        self.run.truncate_ledger(self.update)

    def export(self) -> None:
        """Write the policy as ONNX and JSON."""
        kept = ("environment", "learner", "backend", "options", "seed", "versions", "task_hash")
        provenance = {name: self.recipe[name] for name in kept}
        provenance |= {"updates": self.update, "samples": self.update * self.ppo.samples_per_update}
        layers = self.learner.layers()
        save_policy(self.run.policy, self.task, layers, activation=self.ppo.activation, provenance=provenance)


def _numpy_rng() -> dict[str, Any]:
    """The state of numpy's global generator as plain values."""
    _, keys, position, has_gauss, gauss = np.random.get_state()
    numbers = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    return {"keys": numbers, "position": int(position), "has_gauss": int(has_gauss), "gauss": float(gauss)}


def _set_numpy_rng(saved: dict[str, Any]) -> None:
    keys = saved["keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, saved["position"], saved["has_gauss"], saved["gauss"]))


def _load_checkpoint(run: Run) -> dict[str, Any]:
    """The newest checkpoint that can be read. Only tensors and plain values are loaded, never code."""
    unreadable = {}
    for path in (run.checkpoint, run.previous_checkpoint):
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            if not isinstance(state, dict) or "learner" not in state:
                raise ValueError("it is not a checkpoint of a training run of this version")
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


def _task(run: Run, recipe: dict[str, Any]) -> Task:
    """The task of a run to go on with: what its recipe stores, which must be what the run began with."""
    file = run.folder / "recipe.json"
    if (found := hash_of(recipe["task"])) != recipe["task_hash"]:
        raise ValueError(
            f"{file} was changed: its task's hash is {found}, the run began with {recipe['task_hash']}. "
            "Restore it, or start a new run"
        )
    return Task.from_json(json.dumps(recipe["task"]), str(file))


def _ppo(saved: dict[str, Any]) -> PPOConfig:
    return PPOConfig(**{**saved, "hidden": tuple(saved["hidden"])})


def _print_recipe(console: Console, run: Run, recipe: dict[str, Any]) -> None:
    ppo, shown, machine = recipe["ppo"], recipe["geometry"], recipe["hardware"]
    network = "-".join(map(str, ppo["hidden"]))
    lines = [
        f"{recipe['environment']}: recipe {recipe['task']['recipe']}, task {recipe['task_hash']}, seed {recipe['seed']}",
        f"{ppo['updates']} updates of {ppo['num_envs']} robots x {ppo['horizon']} steps: {shown['samples'] / 1e6:.1f} M samples, "
        f"{shown['robot_seconds'] / 3600:.0f} robot-hours",
        f"{recipe['learner']}: networks {network}, {ppo['epochs']} epochs of {ppo['minibatches']} minibatches",
        f"backend {recipe['backend']} on {machine['cores']} cores of {machine['processor']}",
        f"run folder {run.folder}, where recipe.json says the rest",
    ]
    console.print("\n".join(lines))


def _tensorboard(run: Run, update: int) -> Any:
    """A writer after ``update``: what an earlier one wrote beyond it is dropped."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run.folder / "tensorboard"), purge_step=update + 1)


def _import_wandb() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise ImportError(f"--wandb needs wandb: {install.line('wandb')}") from error
    return wandb


def _wandb(run: Run, recipe: dict[str, Any]) -> Any:
    """A Weights & Biases run in the group of the run's name. WANDB_MODE=offline works without an account."""
    wandb = _import_wandb()
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


def _duration(line: dict[str, Any], ppo: PPOConfig, task: Task, recipe: dict[str, Any], left: float) -> str:
    """How long all of it will take, once an update tells how fast this machine is. ``left`` s is what the recipe allows."""
    rate = line["samples_per_second"]
    needed = (ppo.updates - line["update"]) * ppo.samples_per_update / rate
    said = f"about {_time(min(needed, left))} from here"
    if left < needed:
        done = line["update"] + left * rate / ppo.samples_per_update
        said += f", {done:.0f} of {ppo.updates} updates"
    walk = config(dataclasses.replace(task, recipe="walk"))
    shorter = walk.samples_per_update * walk.updates / rate
    if task.recipe != "walk" and needed > 2 * shorter and recipe["backend"] == "mujoco":
        said += f"; --recipe walk, made for a CPU, would take about {_time(shorter)}"
    return said


def _time(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
