"""``locoenvs train``: a training by any learner, judged on held-out panels at its end."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from locoenvs import terminal
from locoenvs.cli.arguments import (
    Changes,
    OptionalActuator,
    OptionalFloat,
    OptionalInt,
    OptionalPath,
    OptionalText,
    Options,
    Panels,
    changes_given,
    options_given,
    policy_named,
    run_folder,
    task_given,
)
from locoenvs.cli.launch import launch
from locoenvs.cli.steps import check_known, check_panels, conclude, judge_run, train_by
from locoenvs.envs.registration import ids
from locoenvs.envs.registration import task as task_of
from locoenvs.training import ranks
from locoenvs.training.begin import folder_of
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings


def train(
    env_id: Annotated[OptionalText, tyro.conf.Positional] = None,
    learner: OptionalText = None,
    backend: str = "auto",
    num_envs: OptionalInt = None,
    seed: OptionalInt = None,
    updates: OptionalInt = None,
    minutes: OptionalFloat = None,
    run: OptionalText = None,
    resume: OptionalText = None,
    start_from: OptionalText = None,
    recipe: OptionalText = None,
    actuator: OptionalActuator = None,
    device: OptionalText = None,
    options: Options = (),
    validate_every: OptionalInt = None,
    validate_minutes: OptionalFloat = None,
    validate_robots: OptionalInt = None,
    until_bar: bool = False,
    keep_policies: bool = False,
    video_every: OptionalInt = None,
    panels: Panels = None,
    wandb: bool = False,
    task: OptionalPath = None,
    set_: Changes = (),
    processes: OptionalInt = None,
) -> None:
    """Train a policy, and judge it on what is held out.

    Args:
        env_id: Environment, as shown by list; not needed with --resume.
        learner: Who learns, as shown by list; rsl_rl by default.
        backend: Physics, as shown by list; auto is the best one on this machine.
        num_envs: Number of robots.
        seed: Seed of all randomness; 0 by default.
        updates: Updates to do.
        minutes: Stop after so many minutes.
        run: Name of the run in runs/, or a path; made from the environment and the time by default.
        resume: Run to go on with, a name or a path. Where --run names the same one it begins if it has not begun yet.
        start_from: Policy to begin with: a folder, a run, an environment whose policy is shipped, or a shipped policy's name.
        recipe: Named set of the task's values: paper, legged_gym or walk.
        actuator: What drives the joints: pd, or lstm, the drives' own dynamics as a network learned them.
        device: Where to compute, such as cpu or cuda:0.
        options: The backend's own, as name=value: contact=mujoco, cone=pyramidal, threads=1.
        validate_every: Judge it after every so many updates, on streams that are neither trained on nor held out; ten times a run by
            default, within a tenth of the time. 0: never.
        validate_minutes: Judge it after so many minutes.
        validate_robots: Judge so many robots; 128 on flat ground, one a tile on rough ground by default.
        until_bar: Stop once it is good enough there twice in a row (flat ground).
        keep_policies: Keep the policy of each validation. The best one is always kept.
        video_every: Make a short video after every so many updates.
        panels: Held-out panels to judge the policy on at the end, as eval knows them; by default flat, or rough and crossing. none: not now.
        wandb: Log to Weights & Biases too.
        task: File of the task to train on, in place of the environment's own; locoenvs task writes one.
        set_: Another value for a field of the task or of PPO: rewards.terms.action_rate.weight=-0.05, ppo.entropy=0.002.
        processes: Share the robots among so many processes on this machine; for several machines see docs/scaling.md.
    """
    if resume is not None:
        resume = str(run_folder(resume))
        either = run is not None and run_folder(run) == Path(resume)
        if Run.begun(Path(resume)) or not either:
            resumed = Run.open(Path(resume)).recipe()
            env_id, learner = env_id or resumed["environment"], learner or resumed.get("learner")
        elif ranks.asked() == 1:  # of several it is the first that must see the folder
            resume = None
    if env_id is None:
        raise ValueError(f"name an environment, or a run to --resume. Environments: {', '.join(ids())}")
    settings = TrainSettings(
        env_id=env_id,
        backend=backend,
        num_envs=num_envs,
        seed=seed,
        updates=updates,
        minutes=minutes,
        run=None if run is None else str(run_folder(run)),
        resume=resume,
        start_from=None if start_from is None else str(policy_named(start_from).folder),
        recipe=recipe,
        actuator=actuator,
        device=device,
        options=options_given(options),
        validate_every=validate_every,
        validate_minutes=validate_minutes,
        validate_robots=validate_robots,
        until_bar=until_bar,
        keep_policies=keep_policies,
        video_every=video_every,
        wandb=wandb,
        changes=changes_given(set_) or None,
        panels=panels,
    )
    if task is not None and (recipe is not None or actuator is not None):
        raise ValueError("--task says all of the task: leave --recipe and --actuator out, or change it by --set")
    own_task = task_given(task)
    if own_task is not None and (robot := task_of(env_id).robot.name) != own_task.robot.name:
        raise ValueError(
            f"--task {task} is for robot {own_task.robot.name!r}, {env_id} has {robot!r}: name an environment of that robot"
        )
    new = None if resume is not None else own_task or task_of(env_id, recipe or "paper", actuator)
    ground = {name: value for name, value in (settings.changes or {}).items() if name.startswith("terrain.")}
    check_panels(panels, task_of(env_id).robot.name, None if new is None or not panels else new.with_(ground))
    learner = learner or "rsl_rl"
    if ranks.asked() == 1 and processes is not None and processes != 1:
        check_known(learner, settings)
        launch(processes, learner, settings)
        return
    if ranks.asked() > 1 and processes not in (None, ranks.asked()):
        raise ValueError(f"--processes {processes}: torchrun has started {ranks.asked()}, leave --processes out")
    if resume is None and run is None and ranks.most_restarts():
        raise ValueError("--max-restarts needs a name for the run, by --run: what is started again must find it")
    if resume is None and ranks.asked() == 1:
        settings = dataclasses.replace(settings, run=settings.run or str(folder_of(settings)))
    console, run_ = terminal.console(), Run(folder_of(settings))
    try:
        run_ = Run(train_by(learner, settings, own_task))
        judge_run(console, run_, panels, device)
        first = ranks.current().first
        ranks.leave()
        if not first:
            return
        conclude(console, run_)
    except (KeyboardInterrupt, SystemExit):
        if panels != ("none",) and run_.policy.is_dir():
            console.print(f"not judged on what is held out: locoenvs eval {run_.folder} does that once it is trained")
        raise
    console.print(f"policy: {run_.policy}")
