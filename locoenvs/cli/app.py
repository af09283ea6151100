"""The command line: ``locoenvs`` and its commands.

What a user can get wrong is reported in one line with exit code 2. Set LOCOENVS_TRACEBACK=1 to see where it was raised.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tyro
from rich.table import Table

import locoenvs
from locoenvs import terminal
from locoenvs.cli import actuator as cli_actuator
from locoenvs.cli import arguments as words
from locoenvs.cli import robot as cli_robot
from locoenvs.cli.arguments import (
    Changes,
    OptionalActuator,
    OptionalPath,
    OptionalText,
    Options,
    Word,
    changes_given,
    check_written,
    options_given,
    policy_named,
    task_given,
    write,
)
from locoenvs.cli.compare import compare
from locoenvs.cli.export import export
from locoenvs.cli.failures import failures
from locoenvs.cli.hub import pull, push
from locoenvs.cli.play import play
from locoenvs.cli.plugin import plugged
from locoenvs.cli.replay import replay
from locoenvs.cli.report import report
from locoenvs.cli.size import size
from locoenvs.cli.steps import evaluate_with_bar, note_in_run, print_result
from locoenvs.cli.study import study
from locoenvs.cli.train import train
from locoenvs.cli.transfer import transfer
from locoenvs.cli.view import view
from locoenvs.cli.walk import walk
from locoenvs.envs import backends
from locoenvs.envs.registration import IDS, ids
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.failures import archive
from locoenvs.evidence.failures.keeper import MOST, Keeper
from locoenvs.evidence.panel import changed, panel_of
from locoenvs.evidence.pictures import terrain_picture
from locoenvs.evidence.plots import groups_picture, success_picture
from locoenvs.evidence.record import nobody
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import POLICIES
from locoenvs.training import learners, ranks

DESCRIPTION = "Legged robots that learn to walk. --plugin FILE.py, any number of times: import a script first that registers terms or ids."

LONGEST = 600
"""Characters of an error that anybody reads."""

app = tyro.extras.SubcommandApp()


@app.command(name="list")
def list_() -> None:
    """Show the environments, which backends and learners are installed, and the policies that are shipped."""
    output = Table("kind", "name", "state")
    for env_id, (robot, ground) in IDS.items():
        output.add_row("environment", env_id, f"{robot} on {'a plane' if ground == 'flat' else 'rough ground'}")
    for env_id in ids()[len(IDS) :]:
        output.add_row("environment", env_id, f"{task_of(env_id).robot.name}, registered here")
    for name, load in backends.installed().items():
        output.add_row("backend", name, _state(load))
    for name in learners.installed():
        package = learners.missing(name)
        output.add_row("learner", name, "installed" if package is None else f"needs {package}")
    for folder in sorted(POLICIES.iterdir()):
        output.add_row("policy", folder.name, _judged(Result.from_json((folder / "evaluation.json").read_text())))
    terminal.console().print(output)


app.command(train)


@app.command(name="eval")
def eval_(
    policy: Word,
    panel: OptionalText = None,
    actuator: OptionalActuator = None,
    backend: str = "auto",
    options: Options = (),
    out: OptionalPath = None,
    plot: OptionalPath = None,
    failures: int = MOST,
    task: OptionalPath = None,
    set_: Changes = (),
) -> None:
    """Evaluate a policy on a held-out panel. What is found of a run's policy is kept in the run, which counts how often a panel is used.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        panel: flat, rough, crossing (success against difficulty), rough2, beyond, classes, disturb, disturb2, disturb_rough, or a manifest (.json);
            by default the one for the policy's ground. With :smoke at its end it is a small one: flat:smoke.
        actuator: What drives the joints, pd or lstm; what the policy was trained with by default.
        backend: Physics, as shown by list.
        options: The backend's own, as name=value: contact=mujoco, cone=pyramidal, threads=1.
        out: File to write the result to, as JSON; what led to falls goes beside it, see failures and replay.
        plot: Picture to write: success against difficulty on rough ground, against what differs between robots elsewhere.
        failures: So many falls at most are kept to be seen again, spread over the kinds of ground; 0 keeps none.
        task: File of the task to evaluate on, in place of the panel's own: another panel, with another hash.
        set_: Another value for a field of the panel's task: randomization.friction=[0.2,0.4]. It is another panel then.
    """
    loaded = policy_named(policy)
    held_out = changed(panel_of(loaded.task, panel, actuator), changes_given(set_), task_given(task))
    if plot is not None and not held_out.strata:
        raise ValueError(f"--plot {plot}: panel {held_out.name!r} tells nothing apart, so there is nothing to draw")
    if failures < 0:
        raise ValueError(f"--failures {failures}: so many falls are kept, 0 for none")
    check_written("--out", out)
    check_written("--plot", plot, picture=True)
    console, engine_options = terminal.console(), options_given(options)
    keeper = Keeper(failures) if failures else None
    result = evaluate_with_bar(console, loaded, held_out, backend, engine_options, keeper or nobody)
    noted = note_in_run(loaded, held_out, panel, result, keeper, engine_options)
    if out is not None:
        write(out, result.to_json())
        archive.keep(out, keeper, result, held_out, loaded, engine_options or {})
    if plot is not None:
        if "terrain_and_level" in result.strata:
            success_picture(result, held_out.task.terrain, plot)
        else:
            groups_picture(result, plot)
    print_result(console, result, held_out)  # last: whoever reads it may stop reading
    if noted is not None:
        console.print(noted)


app.command(export)
app.command(push)
app.command(pull)


@app.command
def terrain(
    env_id: Word,
    out: Path = Path("terrain.png"),
    recipe: str = "paper",
    task: OptionalPath = None,
    set_: Changes = (),
) -> None:
    """Draw the ground of an environment.

    Args:
        env_id: Environment, as shown by list.
        out: Picture to write.
        recipe: Named set of the task's values.
        task: File of the task whose ground to draw, in place of the environment's own.
        set_: Another value for a field of the task: terrain.shares.stairs_up.parameters.riser=[0.1,0.3].
    """
    ground = (task_given(task) or task_of(env_id, recipe)).with_(changes_given(set_)).terrain
    if ground.kind == "plane":
        raise ValueError(f"{env_id} is on a plane, there is nothing to draw")
    out.parent.mkdir(parents=True, exist_ok=True)
    terrain_picture(ground, out)
    terminal.console().print(f"picture: {out}")


@app.command
def task(
    env_id: Word,
    out: OptionalPath = None,
    recipe: str = "paper",
    actuator: OptionalActuator = None,
    set_: Changes = (),
) -> None:
    """Write the task of an environment as JSON, for --task of other commands and for whoever wants to read it.

    Args:
        env_id: Environment, as shown by list.
        out: File to write; printed if none is named.
        recipe: Named set of the task's values: paper, legged_gym or walk.
        actuator: What drives the joints: pd, or lstm.
        set_: Another value for a field: rewards.terms.action_rate.weight=-0.05.
    """
    changed_task = task_of(env_id, recipe, actuator).with_(changes_given(set_))
    if out is None:
        print(changed_task.to_json())
        return
    write(out, changed_task.to_json() + "\n")
    terminal.console().print(f"task: {out} ({changed_task.recipe}, {changed_task.hash})")


app.command(play)
app.command(failures)
app.command(replay)
app.command(walk)
app.command(report)
app.command(compare)
app.command(size)
app.command(study)
app.command(transfer)
app.command(view)


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
    line = list(sys.argv[1:] if arguments is None else arguments)
    line = line[1:] if line[:1] == ["--"] else line  # torchrun ... -m locoenvs -- train --run NAME
    words.command_line[:] = line
    if line == ["--version"]:
        print(f"locoenvs {locoenvs.__version__} from {Path(locoenvs.__file__).parent}")
        return
    try:
        app.cli(prog="locoenvs", description=DESCRIPTION, args=plugged(line))
    except BrokenPipeError:  # whoever read the output stopped: it is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + 13) from None
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("LOCOENVS_TRACEBACK"):
            raise
        said = " ".join(str(error).split())
        whose = f"rank {os.environ.get('RANK')}: " if ranks.asked() > 1 and not said.startswith("rank ") else ""
        print(f"locoenvs: {whose}{said if len(said) <= LONGEST else said[:LONGEST] + ' ...'}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


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


if __name__ == "__main__":
    main()
