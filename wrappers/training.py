"""``locoenvs train``, whoever learns: a run folder with a ledger, checkpoints, exact resume and an exported policy."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from locoenvs import terminal
from locoenvs.envs.registration import task as task_of
from locoenvs.machine import device_memory, hardware, megabytes, memory
from locoenvs.mdp.symmetry import mirror
from locoenvs.policies.policy import Layer, load_policy, save_policy
from locoenvs.tasks.task import Task
from locoenvs.training.begin import folder_of, new_recipe, task_of_run
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers.checkpoint import load_checkpoint, numpy_rng, set_numpy_rng
from locoenvs.wrappers.films import Films
from locoenvs.wrappers.learner import Learner
from locoenvs.wrappers.loggers import import_wandb, scalars, tensorboard, wandb_run
from locoenvs.wrappers.metered import MeteredEnv
from locoenvs.wrappers.ppo import PPOConfig, changed_ppo, check_memory, config
from locoenvs.wrappers.progress import Progress, Stop
from locoenvs.wrappers.recipe import (
    check_same,
    derived,
    duration,
    first_layers,
    options_of,
    ppo_of,
    print_recipe,
    resumed_recipe,
    time_in_words,
    versions_of,
)
from locoenvs.wrappers.validation import Validation, described, plan, summary

CHECKPOINT_SECONDS = 60.0


def train(
    kind: type[Learner], env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None
) -> Path:
    """Train a policy by a ``kind`` of learner and return its run folder, which holds the exported policy.

    A new run takes ``task`` and ``ppo`` from the settings' recipe unless they are given.
    """
    start, first = None, list[Layer]()
    if settings.wandb:
        import_wandb()
    if settings.resume is not None:
        if settings.start_from is not None:
            raise ValueError("start_from is for a new run, and resume for going on with one: leave one of them out")
        if settings.changes:
            raise ValueError(
                f"changes ({', '.join(settings.changes)}) are for a new run: a resumed one goes on as it began"
            )
        if settings.run is not None and Path(settings.run) != Path(settings.resume):
            raise ValueError(
                f"run {settings.run!r} is for a new run, but {settings.resume!r} is resumed: leave one out"
            )
        run = Run.open(Path(settings.resume))
        made = run.recipe()
        if ppo is not None and settings.num_envs is not None:
            ppo = dataclasses.replace(ppo, num_envs=settings.num_envs)
        check_same(made, env_id, task, ppo)
        recipe = resumed_recipe(made, kind, settings)
        task, ppo = task_of_run(run, recipe), ppo_of(recipe["ppo"])
    else:
        task = task or task_of(env_id, settings.recipe or "paper", settings.actuator)
        changes = dict(settings.changes or {})
        for name in ("num_envs", "updates"):
            if getattr(settings, name) is not None and f"ppo.{name}" in changes:
                raise ValueError(
                    f"{name}={getattr(settings, name)} and ppo.{name}={changes[f'ppo.{name}']}: give one of them"
                )
        ppo = changed_ppo(ppo or config(task), changes)
        task = task.with_({name: value for name, value in changes.items() if not name.startswith("ppo.")})
        chosen: dict[str, Any] = {"num_envs": settings.num_envs, "updates": settings.updates}
        ppo = dataclasses.replace(ppo, **{name: value for name, value in chosen.items() if value is not None})
        if settings.start_from is not None:
            start = load_policy(settings.start_from)
            first, ppo = first_layers(start, task, ppo)
        settings = dataclasses.replace(settings, env_id=env_id)
        run = Run(folder_of(settings))
        Run.check_free(run.folder)
        check_memory(ppo, task)
        own = {
            "validation": plan(settings, ppo.updates),
            "video_every": settings.video_every,
            "start_from": None if start is None else {"sha256": start.sha256, **start.provenance},
            "changes": changes,
            "ppo": dataclasses.asdict(ppo),
        }
        recipe = new_recipe(kind.name, settings, task, versions_of(kind), own)
    recipe |= derived(recipe, ppo, task)
    if settings.resume is not None:
        with run.locked():
            training = Training(kind, run, task, ppo, recipe, settings.device, resume=True)
            with closing(training.env):
                _learn(training, settings)
        return run.folder
    training = Training(kind, run, task, ppo, recipe, settings.device)
    if first:
        training.learner.start_from(first)
    was_there = run.folder.exists()
    Run.create(run.folder)
    try:
        with run.locked(), closing(training.env):  # whoever judges the policy next may need its place
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
    wandb = wandb_run(run, recipe) if settings.wandb else None
    run.write_recipe(recipe)
    if settings.resume is not None:
        asked = {"updates": training.ppo.updates, "minutes": recipe["minutes"]}
        versions = versions_of(type(training.learner))
        run.record("resume", update=training.update, **asked, versions=versions, hardware=hardware())
    print_recipe(console, run, recipe)
    training.learn(console, wandb)


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
        self.validation = Validation.of(task, recipe, run)
        every = recipe.get("video_every")
        self.films = None if every is None else Films(run.folder / "videos", every)
        options = options_of(recipe)
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
        recipe["device"] = str(self.env.simulator.device or "cpu")
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
        writer = tensorboard(self.run, self.update)

        def log(numbers: dict[str, float]) -> None:
            for name, value in numbers.items():
                writer.add_scalar(name, value, self.update)
            if wandb is not None:
                wandb.log(numbers, step=self.update)

        with Stop() as stop, Progress(console, self.ppo.updates, self.update) as progress:
            while self.update < self.ppo.updates and self.seconds < limit and not stop.signal:
                line = self._update()
                self.run.record("update", **line)
                log(dict(scalars(line)))
                progress.show(line)
                if self.films is not None and self.films.due(self.update):
                    self._film(self.films, progress.say)
                if self.validation is not None and self.validation.due(
                    self.update, self.seconds, line["samples_per_second"]
                ):
                    log(self._validate(self.validation, progress.say))
                    if self.validation is not None and self.validation.reached:
                        break
                if self.update == first + 2 < self.ppo.updates:
                    progress.say(duration(line, self.ppo, self.task, self.recipe, limit - self.seconds))
                if time.perf_counter() - saved_at > CHECKPOINT_SECONDS:
                    self.save()
                    saved_at = time.perf_counter()
        writer.close()
        if wandb is not None:
            wandb.finish()
        self.save()
        self.export()
        if self.validation is not None:
            self.validation.close()
            if self.validation.best is not None:
                console.print(summary(self.validation, self.seconds))
        if self.validation is not None and self.validation.reached:
            console.print(
                f"good enough {self.validation.met} times in a row after {self.update} updates, {time_in_words(self.seconds)}"
            )
        elif self.update < self.ppo.updates:
            why = f"Interrupted by {stop.name}" if stop.signal else f"{self.recipe['minutes']:g} minutes are over"
            more = "" if stop.signal else " and more --minutes"
            console.print(
                f"{why} after {self.update} of {self.ppo.updates} updates; go on with --resume {self.run.folder}{more}"
            )
        stop.end()

    def _validate(self, validation: Validation, say: Callable[[str], None]) -> dict[str, float]:
        """Export the policy as it is, judge it and write down what was found, also returned to be logged. It is time of the training.

        A plan that nobody asked for gives way, with a word, to a machine or a backend that cannot have a second environment.
        """
        begun = time.perf_counter()
        self.export()
        policy = load_policy(self.run.policy)
        try:
            validation.open(policy, self.recipe["backend"], self.recipe["options"], self.env.device)
        except (ImportError, RuntimeError, ValueError) as error:
            if validation.share is None:
                raise
            self.validation = None
            say(f"it is not validated: {error}")
            return {}
        result = validation.judge(policy, self.update)
        spent = time.perf_counter() - begun
        self.seconds += spent
        validation.took(spent, self.seconds)
        elapsed = {"elapsed_seconds": round(self.seconds, 2), "seconds": round(spent, 2)}
        self.run.record("validation", update=self.update, **elapsed, **validation.line(result))
        say(described(result))
        return {f"validation/{name}": estimate.value for name, estimate in result.metrics.items()}

    def _film(self, films: Films, say: Callable[[str], None]) -> None:
        """Export the policy as it is and film it. It is time of the training too."""
        begun = time.perf_counter()
        self.export()
        path = films.make(load_policy(self.run.policy), self.task, self.update, say)
        spent = time.perf_counter() - begun
        self.seconds += spent
        if path is not None:
            elapsed = {"elapsed_seconds": round(self.seconds, 2), "seconds": round(spent, 2)}
            self.run.record("video", update=self.update, **elapsed, file=str(path.relative_to(self.run.folder)))

    def _update(self) -> dict[str, Any]:
        """One update; its ledger line, of which docs/ledger.md is the table."""
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
            **({} if done.diagnosis is None else dataclasses.asdict(done.diagnosis)),
            "memory_mb": megabytes(memory()),
            "device_memory_mb": None if (held := device_memory()) is None else megabytes(held),
        }

    def save(self) -> None:
        """Checkpoint everything that the next update depends on."""
        state = {
            **self._identity(),
            "update": self.update,
            "seconds": self.seconds,
            "algorithm": self.learner.save(),
            "rng": {
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
                "numpy": numpy_rng(),
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
        state = load_checkpoint(self.run)
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
        torch.set_rng_state(state["rng"]["torch"])
        if torch.cuda.is_available() and len(state["rng"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["rng"]["cuda"])
        set_numpy_rng(state["rng"]["numpy"])
        self.run.truncate_ledger(self.update)
        if self.validation is not None:
            self.validation.resume()

    def export(self) -> None:
        """Write the policy as ONNX and JSON."""
        kept = ("environment", "learner", "backend", "options", "seed", "versions", "task_hash")
        provenance = {name: self.recipe[name] for name in kept}
        provenance |= {"updates": self.update, "samples": self.update * self.ppo.samples_per_update}
        layers = self.learner.layers()
        save_policy(self.run.policy, self.task, layers, activation=self.ppo.activation, provenance=provenance)
