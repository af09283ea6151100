"""The command line: ``locoenvs list | train | eval | play | export | terrain | walk | actuator | robot``.

What a user can get wrong is reported in one line with exit code 2. Set LOCOENVS_TRACEBACK=1 to see where it was raised.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

import locoenvs
from locoenvs import terminal
from locoenvs.cli import actuator as cli_actuator
from locoenvs.cli import robot as cli_robot
from locoenvs.envs import engines
from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.audit import BAR, Finding, audit_result, audit_training, meets_bar
from locoenvs.evidence.evaluate import Result, evaluate, strata_table, table
from locoenvs.evidence.panel import Panel, panel_of
from locoenvs.evidence.pictures import terrain_picture
from locoenvs.evidence.plots import learning_picture, success_picture
from locoenvs.evidence.video import contact_sheet, record
from locoenvs.policies.policy import FILES, POLICIES, Policy, load_policy
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.tasks.task import Curriculum, Task, Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS
from locoenvs.training import learners
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

RUNS = Path("runs")
"""Where a run goes whose name is not a path."""

WALK = "Loco/AnymalC-Flat-v0"

WALK_VALIDATION = 100
"""Updates between two validations of ``walk``: a minute on two cores."""

LONGEST = 600
"""Characters of an error that anybody reads."""

Word = Annotated[str, tyro.conf.Positional]


def _optional(metavar: str) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="(optional)")


OptionalInt = Annotated[int | None, _optional("INT")]
OptionalFloat = Annotated[float | None, _optional("FLOAT")]
OptionalText = Annotated[str | None, _optional("TEXT")]
OptionalActuator = Annotated[ActuatorKind | None, _optional("{pd,lstm}")]
Options = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE", help_behavior_hint="(optional)")]
OptionalPath = Annotated[Path | None, _optional("PATH")]

app = tyro.extras.SubcommandApp()


@app.command(name="list")
def list_() -> None:
    """Show the environments, which backends and learners are installed, and the policies that are shipped."""
    made = Table("kind", "name", "state")
    for env_id, (robot, ground) in IDS.items():
        made.add_row("environment", env_id, f"{robot} on {'a plane' if ground == 'flat' else 'rough ground'}")
    for name, load in engines.installed().items():
        made.add_row("backend", name, _state(load))
    for name in learners.installed():
        package = learners.missing(name)
        made.add_row("learner", name, "installed" if package is None else f"needs {package}")
    for folder in sorted(POLICIES.iterdir()):
        made.add_row("policy", folder.name, _judged(Result.from_json((folder / "evaluation.json").read_text())))
    terminal.console().print(made)


@app.command
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
    until_bar: bool = False,
    wandb: bool = False,
) -> None:
    """Train a policy.

    Args:
        env_id: Environment, as shown by list; not needed with --resume.
        learner: Who learns, as shown by list; rsl_rl by default.
        backend: Physics, as shown by list; auto is the best one on this machine.
        num_envs: Number of robots.
        seed: Seed of all randomness; 0 by default.
        updates: Updates to do.
        minutes: Stop after so many minutes.
        run: Name of the run in runs/, or a path; made from the environment and the time by default.
        resume: Run to go on with, a name or a path.
        start_from: Policy to begin with: a folder, a run, an environment whose policy is shipped, or a shipped policy's name.
        recipe: Named set of the task's values: paper, legged_gym or walk.
        actuator: What drives the joints: pd, or lstm, the drives' own dynamics as a network learned them.
        device: Where to compute, such as cpu or cuda:0.
        options: The backend's own, as name=value: contact=mujoco, cone=pyramidal, threads=1.
        validate_every: Judge it after every so many updates, on streams that are neither trained on nor held out.
        until_bar: Stop once it is good enough there twice in a row (flat ground).
        wandb: Log to Weights & Biases too.
    """
    if resume is not None:
        resume = str(_run_folder(resume))
        resumed = Run.open(Path(resume)).recipe()
        env_id, learner = env_id or resumed["environment"], learner or resumed.get("learner")
    if env_id is None:
        raise ValueError(f"name an environment, or a run to --resume. Environments: {', '.join(IDS)}")
    settings = TrainSettings(
        env_id=env_id,
        backend=backend,
        num_envs=num_envs,
        seed=seed,
        updates=updates,
        minutes=minutes,
        run=None if run is None else str(_run_folder(run)),
        resume=resume,
        start_from=None if start_from is None else str(_policy(start_from).folder),
        recipe=recipe,
        actuator=actuator,
        device=device,
        options=_options(options),
        validate_every=validate_every,
        until_bar=until_bar,
        wandb=wandb,
    )
    folder = _train(learner or "rsl_rl", settings)
    terminal.console().print(f"policy: {folder / 'policy'}")


@app.command(name="eval")
def eval_(
    policy: Word,
    panel: OptionalText = None,
    actuator: OptionalActuator = None,
    backend: str = "auto",
    options: Options = (),
    out: OptionalPath = None,
    plot: OptionalPath = None,
) -> None:
    """Evaluate a policy on a held-out panel.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        panel: flat, rough or crossing (success against difficulty); the one for the policy's ground by default.
        actuator: What drives the joints, pd or lstm; what the policy was trained with by default.
        backend: Physics, as shown by list.
        options: The backend's own, as name=value: contact=mujoco, cone=pyramidal, threads=1.
        out: File to write the result to, as JSON.
        plot: Picture to write, of success against difficulty, for panels of rough ground.
    """
    loaded = _policy(policy)
    held_out = panel_of(loaded.task, panel, actuator)
    if plot is not None and held_out.task.terrain.kind != "tiles":
        raise ValueError(f"--plot {plot}: panel {held_out.name!r} has no tiles; --panel rough and crossing have")
    console = terminal.console()
    result = _evaluate(console, loaded, held_out, backend, _options(options))
    if out is not None:
        _write(out, result.to_json())
    if plot is not None:
        success_picture(result, held_out.task.terrain, plot)
    _print_result(console, result)  # last: whoever reads it may stop reading


@app.command
def play(
    policy: Word,
    out: Path = Path("video.mp4"),
    seconds: OptionalFloat = None,
    terrain: Annotated[str | None, _optional("KIND")] = None,
    level: int = 0,
    backend: str = "auto",
) -> None:
    """Make a video of a policy that follows a schedule of commands.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        out: Video to write (.mp4).
        seconds: Its length; once through the schedule by default.
        terrain: Kind of tile to walk on; by default the plane, or upward stairs for a policy of rough ground.
        level: Difficulty of the tile, 0 is the easiest.
        backend: Physics, as shown by list.
    """
    if out.suffix != ".mp4":
        raise ValueError(f"--out {out}: a video's name must end in .mp4")
    loaded = _policy(policy)
    task, robot = loaded.task, 0
    if terrain is None and task.terrain.kind == "tiles":
        terrain = "stairs_up"  # a whole map takes long to draw
    if terrain is not None:
        levels = task.terrain.levels
        if not 0 <= level < levels:
            raise ValueError(f"--level {level}: the levels are 0 to {levels - 1}")
        task, robot = _one_column(task, terrain), level
    record(loaded, task, out, seconds, robot=robot, backend=backend)
    terminal.console().print(f"video: {out}")


@app.command
def export(policy: Word, out: Path, force: bool = False) -> None:
    """Copy a policy, policy.onnx and policy.json, after checking that they belong together and are nothing else.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        out: Folder to write to.
        force: Replace the policy that is there.
    """
    loaded = _policy(policy)
    if not force and (there := [name for name in FILES if (out / name).exists()]):
        raise FileExistsError(
            f"{out} holds {' and '.join(there)} already: choose another folder, or replace by --force"
        )
    loaded.save(out)
    terminal.console().print(f"policy: {out}")


@app.command
def terrain(env_id: Word, out: Path = Path("terrain.png"), recipe: str = "paper") -> None:
    """Draw the ground of an environment.

    Args:
        env_id: Environment, as shown by list.
        out: Picture to write.
        recipe: Named set of the task's values.
    """
    ground = task_of(env_id, recipe).terrain
    if ground.kind == "plane":
        raise ValueError(f"{env_id} is on a plane, there is nothing to draw")
    out.parent.mkdir(parents=True, exist_ok=True)
    terrain_picture(ground, out)
    terminal.console().print(f"picture: {out}")


@app.command
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
    console = terminal.console()
    given: dict[str, Any] = {"num_envs": num_envs, "seed": seed, "updates": updates, "minutes": minutes}
    given |= {"validate_every": WALK_VALIDATION, "until_bar": True}
    if resume is None:
        name, actuator = run or f"walk-{time.strftime('%Y%m%d-%H%M%S')}", actuator or "pd"
        drives = {"pd": "the PD law; --actuator lstm takes the learned drive", "lstm": "the learned drive"}
        console.print(f"joints driven by {drives[actuator]}")
        settings = TrainSettings(WALK, run=str(_run_folder(name)), recipe="walk", actuator=actuator, **given)
    else:
        before = Run.open(_run_folder(resume))
        learner = learner or before.recipe().get("learner")
        run = None if run is None else str(_run_folder(run))
        settings = TrainSettings(WALK, run=run, resume=str(before.folder), recipe="walk", actuator=actuator, **given)
    trained = Run(_train(learner or "rsl_rl", settings))
    policy = load_policy(trained.policy)
    result = _evaluate(console, policy, panel_of(policy.task, "flat"), "auto")
    _write(trained.folder / "evaluation.json", result.to_json())
    metrics = {name: dataclasses.asdict(estimate) for name, estimate in result.metrics.items()}
    trained.record("evaluation", panel=result.panel, panel_hash=result.panel_hash, metrics=metrics)
    ledger = trained.records()
    learning_picture(ledger, trained.folder / "learning.png")
    _print_result(console, result)
    _print_findings(console, audit_training(ledger, trained.recipe()["geometry"]["num_envs"]))
    shown = ["policy/", "evaluation.json", "learning.png"]
    if video:
        try:
            record(policy, policy.task, trained.folder / "walk.mp4")
            contact_sheet(trained.folder / "walk.mp4", trained.folder / "walk.png")
            shown += ["walk.mp4", "walk.png"]
        except (
            Exception
        ) as error:  # a machine that cannot draw raises whatever its OpenGL does; all else is done by now
            console.print(f"no video, this machine cannot draw: {type(error).__name__}: {error}")
    console.print("\n".join(f"{trained.folder}/{name}" for name in shown))
    falls, off, turned = (result.metrics[name].value for name in BAR)
    judged = f"{falls:.1%} of the robots fall, they are off by {off:.2f} m/s and {turned:.2f} rad/s"
    if not meets_bar(result):
        console.print(f"it does not walk yet: {judged}; go on by locoenvs walk --resume {trained.folder} --updates N")
        raise SystemExit(1)
    console.print(f"it walks: {judged}")


@app.command
def robot(action: cli_robot.Action) -> None:
    """Bring a robot of one's own: check its file, or make one from a description."""
    action.run()


@app.command
def actuator(action: cli_actuator.Action) -> None:
    """Learn the drives of a robot: log one on a test bench, fit a network to a log, draw how it responds."""
    action.run()


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the command ``locoenvs``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(f"locoenvs {locoenvs.__version__} from {Path(locoenvs.__file__).parent}")
        return
    try:
        app.cli(prog="locoenvs", description="Legged robots that learn to walk.", args=given)
    except BrokenPipeError:  # whoever read the output stopped: it is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + 13) from None
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("LOCOENVS_TRACEBACK"):
            raise
        said = " ".join(str(error).split())
        print(f"locoenvs: {said if len(said) <= LONGEST else said[:LONGEST] + ' ...'}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _train(learner: str, settings: TrainSettings) -> Path:
    """Train with a learner by name; the run folder."""
    # Unknown names, before anything slow is imported.
    task_of(settings.env_id, settings.recipe or "paper", settings.actuator)
    engines.load(settings.backend)
    start = learners.load(learner, learners.installed())
    return start(settings.env_id, settings)


def _judged(result: Result) -> str:
    """How a policy did on its panel, in a line."""
    falls, velocity = result.metrics["fall_rate"].value, result.metrics["velocity_error"].value
    return f"{result.panel}: {falls:.1%} fall, velocity error {velocity:.2f} m/s"


def _state(load: Callable[[], object]) -> str:
    try:
        load()
    except ImportError as error:
        return f"needs {error.name}" if error.name else str(error)
    return "installed"


def _run_folder(name: str) -> Path:
    """The folder of a run: a path as it is, a bare name in runs/."""
    return Path(name) if len(Path(name).parts) > 1 or Path(name).is_dir() else RUNS / name


def _policy(name: str) -> Policy:
    """The policy of a folder, a run or an environment."""
    if name in IDS or name.startswith("Loco/"):
        robot = task_of(name).robot.name  # an error for an unknown id
        shipped = POLICIES / f"{robot}_{IDS[name][1]}"
        if not shipped.is_dir():
            raise FileNotFoundError(f"no policy is shipped for {name}: train one by locoenvs train {name}")
        return load_policy(shipped)
    folder = Path(name)
    for place in (folder, folder / "policy", RUNS / name / "policy", POLICIES / name):
        if place.suffix == ".onnx" or place.name in FILES or any((place / file).is_file() for file in FILES):
            return load_policy(place)
    for run in (folder, RUNS / name):
        if (run / "recipe.json").is_file():
            raise FileNotFoundError(f"{run} has no policy yet: finish it by train --resume {run}")
    raise FileNotFoundError(
        f"no policy in {name}: give a folder with policy.onnx and policy.json, a run, or one of "
        f"{', '.join(sorted(place.name for place in POLICIES.iterdir()))}"
    )


def _options(given: Sequence[str]) -> dict[str, object] | None:
    """What name=value say; None if nothing is given. Whole numbers are numbers, true and false are true and false."""
    made, plain = dict[str, object](), {"true": True, "false": False}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise ValueError(f"--options {each}: must be name=value, such as contact=mujoco")
        made[name] = int(value) if value.lstrip("-").isdigit() else plain.get(value, value)
    return made or None


def _evaluate(
    console: Console, policy: Policy, panel: Panel, backend: str, options: Mapping[str, object] | None = None
) -> Result:
    """Evaluate, with a bar that shows how far it is."""
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"evaluating {panel.num_robots} robots", total=1.0)
        return evaluate(policy, panel, backend, lambda share: progress.update(bar, completed=share), options=options)


def _print_result(console: Console, result: Result) -> None:
    console.print(table(result))
    for quantity in result.strata:
        if quantity != "terrain_and_level":
            console.print(strata_table(result, quantity))
    _print_findings(console, audit_result(result))


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings:
        mark = Text("ok  ", "green") if finding.passed else Text("look", "red")
        console.print(mark, f"{finding.name}: {finding.message}")


def _one_column(task: Task, kind: str) -> Task:
    """The task on a narrow map of one column of that kind of tile, as hard as its own, where robot i stands on level i."""
    own = [share.parameters for share in task.terrain.shares if share.kind == kind]
    share = TileShare(TILE_KINDS[kind].name, 1.0, parameters=own[0] if own else {})
    ground: Terrain = dataclasses.replace(
        task.terrain, kind="tiles", columns=1, shares=(share,), border=min(task.terrain.border, 8.0)
    )
    return dataclasses.replace(task, terrain=ground, curriculum=Curriculum(enabled=False))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(text.encode()))


if __name__ == "__main__":
    main()
