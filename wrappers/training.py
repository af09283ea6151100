"""``locoenvs train``, whoever learns: a run folder with a ledger, checkpoints, exact resume and an exported policy."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from locoenvs import terminal
from locoenvs.envs.saved_state import rows_of, together
from locoenvs.evidence.result import Result
from locoenvs.machine import device_kind, device_memory, hardware, megabytes, memory
from locoenvs.mdp.symmetry import mirror
from locoenvs.policies.policy import FILES, Policy, load_policy, policy_in, save_policy
from locoenvs.tasks.task import Task
from locoenvs.training import learners, ranks
from locoenvs.training.begin import check_seen, facts
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers.checkpoint import gpu_rng, load_checkpoint, numpy_rng, set_gpu_rng, set_numpy_rng
from locoenvs.wrappers.films import Films
from locoenvs.wrappers.learner import Learner
from locoenvs.wrappers.loggers import import_wandb, scalars, tensorboard, wandb_run
from locoenvs.wrappers.metered import MeteredEnv, added, mean_of
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.progress import Progress, Stop
from locoenvs.wrappers.recipe import asked_for, before, duration, options_of, print_recipe, time_in_words, versions_of
from locoenvs.wrappers.validation import Validation, described, summary

CHECKPOINT_SECONDS = 60.0


def train(
    kind: type[Learner], env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None
) -> Path:
    """Train a policy by a ``kind`` of learner and return its run folder, which holds the exported policy.

    A new run takes ``task`` and ``ppo`` from the settings' recipe unless they are given. Where a launcher has started several processes
    each of them calls this with the same arguments, and has a part of the robots.
    """
    learners.check_together(kind.name, ranks.asked())
    if settings.wandb:
        import_wandb()
    processes = ranks.join()
    with ranks.watched():
        if processes.size > 1:
            check_seen(settings)
            processes.check_alike(facts(versions_of(kind), env_id, settings, task, ppo))
        run, recipe, task, ppo, first = processes.first_says(lambda: asked_for(kind, env_id, settings, task, ppo))
        with ExitStack() as held:
            if first is None:
                processes.first_says(lambda: held.enter_context(run.locked()))
            training = Training(kind, run, task, ppo, recipe, settings.device, resume=first is None)
            with closing(training.env):  # whoever judges the policy next may need its place
                if first:
                    training.learner.start_from(first)
                begin = _learn if first is None or not processes.first else _learn_anew
                begin(training, settings)
    return run.folder


def _learn_anew(training: Training, settings: TrainSettings) -> None:
    """Train a new run, whose folder goes away again if nothing is trained."""
    run, was_there = training.run, training.run.folder.exists()
    Run.create(run.folder)
    try:
        with run.locked():
            _learn(training, settings)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit) and run.checkpoint.exists()
        if not (was_there or training.update or stopped):
            run.remove()  # nothing was trained
        raise


def _learn(training: Training, settings: TrainSettings) -> None:
    """Write down what is asked for, and train until it is done."""
    run, recipe, first = training.run, training.recipe, training.ranks.first
    console = terminal.console() if first else Console(quiet=True)
    if training.update > training.ppo.updates:
        raise ValueError(
            f"updates={training.ppo.updates}: {run.folder} has done {training.update} already, ask for more"
        )
    wandb = wandb_run(run, recipe) if settings.wandb and first else None
    if first:
        run.write_recipe(recipe)
    if first and training.resumed:
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
        self.run, self.task, self.ppo, self.recipe, self.resumed = run, task, ppo, recipe, resume
        self.ranks = ranks.current()
        self.update = 0
        self.seconds = 0.0
        self.validation = Validation.of(task, recipe, run)
        every = recipe.get("video_every")
        self.films = Films(run.folder / "videos", every) if every is not None and self.ranks.first else None
        options = options_of(recipe)
        torch.manual_seed(recipe["seed"])
        np.random.seed(recipe["seed"] % 2**32)
        robots = self.ranks.robots(ppo.num_envs)
        self.env = MeteredEnv(
            task,
            len(robots),
            first_robot=robots.start,
            backend=recipe["backend"],
            options=options,
            device=ranks.device(device, recipe["backend"]),
            array=kind.array,
            privileged=ppo.privileged,
        )
        recipe["options"] = {**options, **self.env.simulator.options}
        recipe["device"] = str(self.env.simulator.device or "cpu")
        self.ranks.check_alike({"device": device_kind(self.env.simulator.device)})
        self.learner = kind(self.env, ppo, mirror(task) if ppo.mirror else None, recipe["seed"])
        if resume:
            self._restore()

    def learn(self, console: Console, wandb: Any = None) -> None:
        """Update until the recipe's updates or minutes are done, or a signal asks to stop; then save and export the policy.

        ``wandb`` is a Weights & Biases run to log to. Raises KeyboardInterrupt after Ctrl-C, and SystemExit with 128 and
        the signal's number after SIGTERM or SIGHUP, once all is saved.
        """
        limit = float("inf") if self.recipe["minutes"] is None else self.recipe["minutes"] * 60
        if self.recipe.get("start_from") and not self.resumed:
            self.save()  # who is killed before the next one goes on with that policy's network
        saved_at, first, asked, reached = time.perf_counter(), self.update, 0.0, 0.0
        writer = tensorboard(self.run, self.update, self.recipe) if self.ranks.first else None

        def log(numbers: dict[str, float]) -> None:
            if writer is None:
                return
            for name, value in numbers.items():
                writer.add_scalar(name, value, self.update)
            if wandb is not None:
                wandb.log(numbers, step=self.update)

        with Stop() as stop:
            with Progress(console, self.ppo.updates, self.update) as progress:
                while self.update < self.ppo.updates and self.seconds < limit and not (asked or reached):
                    line = self._update()
                    if line is not None:
                        self.run.record("update", **line)
                        log(dict(scalars(line)))
                        progress.show(line)
                    self._look(line, log, progress.say)
                    if line is not None and self.update == first + 2 < self.ppo.updates and not self._reached:
                        progress.say(duration(line, self.ppo, self.task, self.recipe, limit - self.seconds))
                    late = float(time.perf_counter() - saved_at > CHECKPOINT_SECONDS)
                    self.seconds, asked, reached, late = self.ranks.most(self.seconds, stop.signal, self._reached, late)
                    if late and not reached:
                        self.save()
                        saved_at = time.perf_counter()
            stop.agree(int(asked))
            if writer is not None:
                writer.close()
            if wandb is not None:
                wandb.finish()
            self.save()
            if self.validation is not None:
                self.validation.close()
            if self.ranks.first:
                self.export()
                self._conclude(console, stop)
            self.ranks.most(0)  # a launcher ends all as soon as one has ended, so the others wait for the first
        stop.end()

    def _look(
        self, line: dict[str, Any] | None, log: Callable[[dict[str, float]], None], say: Callable[[str], None]
    ) -> None:
        """Film and judge the policy, where that is due by the first process, which has the ``line`` of an update."""
        if self.films is not None and self.films.due(self.update):
            self._film(self.films, say)
        if self.validation is None:
            return
        due = line is not None and self.validation.due(self.update, self.seconds, line["samples_per_second"])
        if self.ranks.most(due)[0]:
            log(self._validate(self.validation, say))

    @property
    def _reached(self) -> bool:
        """Whether the policy is good enough to stop."""
        return self.validation is not None and self.validation.reached

    def _conclude(self, console: Console, stop: Stop) -> None:
        """Say how the training ended, and what its validations found."""
        if self.validation is not None and self.validation.best is not None:
            console.print(summary(self.validation, self.seconds))
        if self._reached and self.validation is not None:
            console.print(
                f"good enough {self.validation.met} times in a row after {self.update} updates, {time_in_words(self.seconds)}"
            )
        elif self.update < self.ppo.updates:
            why = f"Interrupted by {stop.name}" if stop.signal else f"{self.recipe['minutes']:g} minutes are over"
            more = "" if stop.signal else " and more --minutes"
            console.print(
                f"{why} after {self.update} of {self.ppo.updates} updates; go on with --resume {self.run.folder}{more}"
            )

    def _validate(self, validation: Validation, say: Callable[[str], None]) -> dict[str, float]:
        """Export the policy as it is, judge it and write down what was found, also returned to be logged. It is time of the training.

        A plan that nobody asked for gives way, with a word, to a machine or a backend that cannot have a second environment.
        """
        begun = time.perf_counter()
        policy = policy_in(self.ranks.first_says(self._exported), str(self.run.policy))
        failed: Exception | None = None
        try:
            validation.open(policy, self.recipe["backend"], self.recipe["options"], self.env.device)
        except (ImportError, RuntimeError, ValueError) as error:
            failed = error
        told = self.ranks.all_told(None if failed is None else str(failed) or type(failed).__name__)
        if (reason := next(filter(None, told), None)) is not None:
            validation.close()
            if validation.asked:
                raise failed or ValueError(f"rank {told.index(reason)} cannot validate: {reason}")
            self.validation = None
            say(f"it is not validated: {reason}")
            return {}
        result = self._judged(validation, policy)
        if result is None:
            return {}
        spent = time.perf_counter() - begun
        self.seconds += spent
        validation.took(spent, self.seconds)
        elapsed = {"elapsed_seconds": round(self.seconds, 2), "seconds": round(spent, 2)}
        self.run.record("validation", update=self.update, **elapsed, **validation.line(result))
        say(described(result))
        ends = {f"validation/resets/{name}": float(count) for name, count in result.reset_reasons.items()}
        return ends | {f"validation/{name}": estimate.value for name, estimate in result.metrics.items()}

    def _judged(self, validation: Validation, policy: Policy) -> Result | None:
        """What a validation finds, in the first process. Where its numbers are none the run is saved before that is raised."""
        result, failed = None, None
        try:
            result = validation.judge(policy, self.update)
        except ValueError as error:
            failed = error
        told = self.ranks.all_told(None if failed is None else str(failed))
        if (reason := next(filter(None, told), None)) is not None:
            validation.close()
            self.save()
            raise ValueError(
                f"validation after {self.update} updates: {reason}. The run is saved, the policy is in {self.run.policy}; "
                f"go on with --resume {self.run.folder}, without validations by --validate-every 0"
            ) from failed
        return result

    def _exported(self) -> dict[str, bytes]:
        """The files of the policy as it is, written to the run's folder, too."""
        self.export()
        return {name: (self.run.policy / name).read_bytes() for name in FILES}

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

    def _update(self) -> dict[str, Any] | None:
        """One update; its ledger line, of which docs/ledger.md is the table, in the first process."""
        self.env.clear()
        begun = time.perf_counter()
        done = self.learner.update()
        spent = time.perf_counter() - begun
        self.update += 1
        self.seconds += spent
        told = self.ranks.gathered((self.env.counted(), done.losses))
        if not told:
            return None
        seconds = {
            "environment": self.env.seconds,
            "inference": spent - self.env.seconds - done.learning_seconds,
            "learning": done.learning_seconds,
        }
        losses = {name: mean_of([(tally.robots, own[name]) for tally, own in told]) for name in done.losses}
        return {
            "update": self.update,
            "samples": self.update * self.ppo.samples_per_update,
            "elapsed_seconds": round(self.seconds, 2),
            "seconds": {name: round(value, 4) for name, value in seconds.items()},
            "samples_per_second": round(self.ppo.samples_per_update / spent, 1),
            **added([tally for tally, _ in told]).line(self.task.timing.control_dt),
            "losses": losses if len(told) > 1 else done.losses,
            "learning_rate": done.learning_rate,
            "action_std": done.action_std,
            **({} if done.diagnosis is None else dataclasses.asdict(done.diagnosis)),
            "memory_mb": megabytes(memory()),
            "device_memory_mb": None if (held := device_memory()) is None else megabytes(held),
            **({"processes": self.ranks.size} if self.ranks.size > 1 else {}),
        }

    def save(self) -> None:
        """Checkpoint everything that the next update depends on: robots, wherever they are stepped."""
        robots = self.ranks.gathered(self.env.save())
        if not robots:
            return
        state = {
            **self._identity(),
            "update": self.update,
            "seconds": self.seconds,
            "algorithm": self.learner.save(),
            "rng": {"torch": torch.get_rng_state(), "cuda": gpu_rng(self.ranks.size == 1), "numpy": numpy_rng()},
            "env": {name: torch.from_numpy(np.atleast_1d(value)) for name, value in together(robots).items()},
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
        """Go on from the run's checkpoint, or start over where it has none."""
        parts = list[dict[str, np.ndarray]]()
        state = self.ranks.first_says(lambda: self._checkpoint(parts))
        if state is not None:
            self.learner.load(state["algorithm"], self.env.restore(self.ranks.scattered(parts)))
            self.update, self.seconds = state["update"], state["seconds"]
            torch.set_rng_state(state["rng"]["torch"])
            set_gpu_rng(state["rng"]["cuda"], self.ranks.size == 1)
            set_numpy_rng(state["rng"]["numpy"])
        if self.ranks.first:
            self.run.truncate_ledger(self.update)
        if self.validation is not None and state is not None and self.ranks.first:
            self.validation.resume()

    def _checkpoint(self, parts: list[dict[str, np.ndarray]]) -> dict[str, Any] | None:
        """The run's newest checkpoint, if it has one, but for the robots: each process's go to ``parts``."""
        if not (self.run.checkpoint.exists() or self.run.previous_checkpoint.exists()):
            return None
        state = load_checkpoint(self.run)
        for name, own in self._identity().items():
            if name in ("run", "seed") and name not in state and self.recipe.get("id") is None:
                continue
            if state.get(name) != own:
                what = name.replace("task_hash", "task")
                raise ValueError(f"{self.run.folder}: the checkpoint is of {what} {state.get(name)}, not {own}")
        saved = {name: value.numpy() for name, value in state.pop("env").items()}
        saved["clock"] = saved["clock"].reshape(())
        if self.ranks.size == 1:
            parts.append(saved)
        else:
            parts += [rows_of(saved, self.ranks.robots(self.ppo.num_envs, rank)) for rank in range(self.ranks.size)]
        return state

    def export(self) -> None:
        """Write the policy as ONNX and JSON."""
        kept = ("environment", "learner", "backend", "options", "seed", "versions", "task_hash")
        provenance = {name: self.recipe[name] for name in kept}
        provenance |= {"updates": self.update, "samples": self.update * self.ppo.samples_per_update}
        provenance |= {"training_seconds": round(self.seconds, 2), **before(self.recipe)}
        layers = self.learner.layers()
        save_policy(self.run.policy, self.task, layers, activation=self.ppo.activation, provenance=provenance)
