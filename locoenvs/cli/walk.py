"""``locoenvs walk``: a robot that learns to walk, and is judged."""

from __future__ import annotations

import time
from typing import Any

from locoenvs import terminal
from locoenvs.cli.arguments import OptionalActuator, OptionalFloat, OptionalInt, OptionalText, run_folder, write
from locoenvs.cli.steps import conclude, evaluate_with_bar, print_result, train_by
from locoenvs.evidence.audit import BAR, meets_bar
from locoenvs.evidence.failures import archive
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import panel_of
from locoenvs.evidence.plots import learning_picture
from locoenvs.evidence.video import contact_sheet, record
from locoenvs.policies.policy import load_policy
from locoenvs.training import ranks
from locoenvs.training.judging import note
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

WALK = "Loco/AnymalC-Flat-v0"

WALK_VALIDATION, WALK_ROBOTS, WALK_SHARE = 75, 128, 0.1
"""Updates between two validations of ``walk``, about a minute on two cores, their robots, and the most that they take of all the time."""


def walk(
    run: OptionalText = None,
    resume: OptionalText = None,
    learner: OptionalText = None,
    actuator: OptionalActuator = None,
    seed: OptionalInt = None,
    minutes: OptionalFloat = None,
    updates: OptionalInt = None,
    num_envs: OptionalInt = None,
    video: bool = True,
) -> None:
    """Train a robot until it walks on flat ground, judge it on held-out commands and pushes, and show it.

    It walks if at most 1 % of the robots fall, and it is off by at most 0.15 m/s and 0.15 rad/s. Training stops once that holds
    twice in a row on validation streams; the held-out ones are used once, at the end. Exits with 1 if it does not walk there.

    Args:
        run: Name of the run in runs/, or a path.
        resume: Run to go on with, a name or a path.
        learner: Who learns, as shown by list; rsl_rl by default.
        actuator: What drives the joints: pd, the default, which is faster, or lstm, the environment's own.
        seed: Seed of all randomness; 0 by default.
        minutes: Stop training after so many minutes.
        updates: Most updates to do.
        num_envs: Number of robots.
        video: Make a video, which takes a minute or two.
    """
    if (processes := ranks.asked()) > 1:
        raise ValueError(
            f"walk trains in one process, {processes} were started: take locoenvs train {WALK} --recipe walk --actuator pd "
            f"--validate-every {WALK_VALIDATION} --until-bar, and then locoenvs play"
        )
    console = terminal.console()
    asked: dict[str, Any] = {"num_envs": num_envs, "seed": seed, "updates": updates, "minutes": minutes}
    asked |= {
        "validate_every": WALK_VALIDATION,
        "validate_robots": WALK_ROBOTS,
        "validate_share": WALK_SHARE,
        "until_bar": True,
    }
    if resume is None:
        name, actuator = run or f"walk-{time.strftime('%Y%m%d-%H%M%S')}", actuator or "pd"
        drives = {"pd": "the PD law; --actuator lstm takes the learned drive", "lstm": "the learned drive"}
        console.print(f"joints driven by {drives[actuator]}")
        settings = TrainSettings(WALK, run=str(run_folder(name)), recipe="walk", actuator=actuator, **asked)
    else:
        before = Run.open(run_folder(resume))
        learner = learner or before.recipe().get("learner")
        run = None if run is None else str(run_folder(run))
        settings = TrainSettings(WALK, run=run, resume=str(before.folder), recipe="walk", actuator=actuator, **asked)
    trained = Run(train_by(learner or "rsl_rl", settings))
    policy = load_policy(trained.policy)
    panel = panel_of(policy.task, "flat")
    keeper = Keeper()
    result = evaluate_with_bar(console, policy, panel, "auto", watch=keeper)
    write(trained.folder / "evaluation.json", result.to_json())
    archive.keep(trained.folder / "evaluation.json", keeper, result, panel, policy, {})
    noted = note(trained, policy, panel, "flat", result, keeper)
    ledger = trained.records()
    learning_picture(ledger, trained.folder / "learning.png")
    print_result(console, result, panel)
    console.print(noted)
    shown = ["policy/", "best/", "evaluation.json", "learning.png"]
    if video:
        try:
            record(policy, policy.task, trained.folder / "walk.mp4")
            contact_sheet(trained.folder / "walk.mp4", trained.folder / "walk.png")
            shown += ["walk.mp4", "walk.png"]
        except (
            Exception
        ) as error:  # a machine that cannot draw raises whatever its OpenGL does; all else is done by now
            console.print(f"no video, this machine cannot draw: {type(error).__name__}: {error}")
    conclude(console, trained)
    console.print("\n".join(f"{trained.folder}/{name}" for name in shown))
    falls, off, turned = (result.metrics[name].value for name in BAR)
    judged = f"{falls:.1%} of the robots fall, they are off by {off:.2f} m/s and {turned:.2f} rad/s"
    if not meets_bar(result):
        console.print(f"it does not walk yet: {judged}; go on by locoenvs walk --resume {trained.folder} --updates N")
        raise SystemExit(1)
    console.print(f"it walks: {judged}")
