"""Training what a study asks for, until nothing is left to do, or it is stopped: then the same call goes on with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from locoenvs.training.study.schedule import next_up
from locoenvs.training.study.spec import BASE, amount
from locoenvs.training.study.state import State
from locoenvs.training.study.trial import Job, Reached, Train, reach


class Places(Protocol):
    """Where trainings are done: one after the other here, or by Ray."""

    def free(self) -> bool:
        """Whether another one can begin."""

    def begin(self, job: Job) -> None:
        """Begin one."""

    def wait(self) -> tuple[Job, Reached | str]:
        """Wait until one is done: where it is now, or why it failed."""


class Here:
    """One training after the other, in this process: whoever stops it stops the training."""

    def __init__(self, train: Train) -> None:
        self._train = train
        self._job: Job | None = None

    def free(self) -> bool:
        return self._job is None

    def begin(self, job: Job) -> None:
        self._job = job

    def wait(self) -> tuple[Job, Reached | str]:
        job, self._job = self._job, None
        assert job is not None
        try:
            return job, reach(self._train, job)
        except Exception as error:  # of whatever kind a learner raises: the others go on
            return job, f"{type(error).__name__}: {error}"


def carry_out(state: State, places: Places, say: Callable[[str], None]) -> None:
    """Train every configuration as far as it goes. What comes out is in the state, which is written after each training."""
    study, configurations = state.study, {each.name: each for each in state.configurations}
    factor = None if study.prune is None else study.prune.factor
    waiting, under_way, task = list[Job](), list[Job](), study.given_task()
    while True:
        while places.free():
            if not waiting:
                busy = {job.configuration for job in under_way}
                following = next_up(state.ranks(), len(study.rungs), factor, busy, BASE)
                if following is None:
                    break
                name, rung = following
                of = configurations[name]
                seeds = [seed for seed in study.seeds if len(state.reached.get(of.run(seed), [])) <= rung]
                asked = [study.settings(seed, rung, of.changes, of.samples_per_update) for seed in seeds]
                waiting = [Job(name, rung, seed, study.learner, each, task) for seed, each in zip(seeds, asked)]
            job = waiting.pop(0)
            folder = state.folder / configurations[job.configuration].run(job.seed)
            say(f"{folder.name}: to {amount(study.rungs[job.rung])} of {amount(study.budget)} {study.unit}")
            job = replace(job, settings=replace(job.settings, run=str(folder)))
            under_way.append(job)
            places.begin(job)
        if not under_way:
            return
        job, outcome = places.wait()
        under_way = [each for each in under_way if (each.configuration, each.seed) != (job.configuration, job.seed)]
        run = configurations[job.configuration].run(job.seed)
        if isinstance(outcome, Reached):
            state.reached.setdefault(run, []).append(outcome)
        else:
            state.failed[job.configuration] = outcome
            waiting = [each for each in waiting if each.configuration != job.configuration]
            say(f"{run} failed: {outcome}")
        state.write()
