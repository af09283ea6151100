"""``locoenvs view``: robots in the browser, live."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import tyro

from locoenvs import terminal
from locoenvs.cli.arguments import (
    Changes,
    OptionalPath,
    OptionalText,
    Options,
    changes_given,
    options_given,
    policy_named,
    run_folder,
    task_given,
)
from locoenvs.envs.registration import ids
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.failures.archive import load
from locoenvs.policies.policy import Policy
from locoenvs.tasks.task import Task
from locoenvs.tools.view.falls import FallSession
from locoenvs.tools.view.gamepad import DEVICE, Gamepad
from locoenvs.tools.view.page import Page, address, serve
from locoenvs.tools.view.session import Session
from locoenvs.tools.view.setup import Setup
from locoenvs.tools.view.sources import Followed
from locoenvs.tools.view.viewer import Viewer
from locoenvs.training.begin import task_of_run
from locoenvs.training.run import Run

PORT = 8080

POLICY = "anymal_c_flat"

_NOT_OF_FALLS: dict[str, object] = {
    "POLICY": POLICY,
    "--robots": 1,
    "--ground": None,
    "--level": 0,
    "--backend": "auto",
    "--options": (),
    "--follow": None,
    "--task": None,
    "--set": (),
}
"""What is of no use beside --failures: what each is where it is not given."""


def view(
    policy: Annotated[str, tyro.conf.Positional] = POLICY,
    robots: int = 1,
    ground: OptionalText = None,
    level: int = 0,
    backend: str = "auto",
    options: Options = (),
    follow: OptionalText = None,
    failures: OptionalPath = None,
    task: OptionalPath = None,
    set_: Changes = (),
    host: str = "127.0.0.1",
    port: int = PORT,
    gamepad: Path = DEVICE,
) -> None:
    """Look at robots in the browser: drive them, push them, change their ground and themselves. See docs/viewer.md.

    Args:
        policy: Folder of a policy, a run, an environment, or a shipped policy's name. Without a shipped policy an environment's robots stand.
        robots: How many, 1 to 16.
        ground: Kind of tile, or plane; it can be changed later.
        level: Difficulty of the tiles, 0 is the easiest.
        backend: Physics, as shown by list.
        options: The backend's own, as name=value: contact=mujoco, cone=pyramidal, threads=1.
        follow: A run, whose policy is taken anew whenever its training writes it.
        failures: What eval --out wrote: its falls, one after another.
        task: File of the task, in place of the policy's own.
        set_: Another value for a field of the task: randomization.friction=[0.2,0.4].
        host: Address to listen on; others than this machine can connect to another than 127.0.0.1.
        port: Port to listen on; 0 takes any that is free.
        gamepad: Device of a gamepad on this machine, which may come and go.
    """
    if failures is not None:
        _check_of_falls(policy, robots, ground, level, backend, options, follow, task, set_)
    server = serve(host, port)
    try:
        session, source = _session(policy, robots, ground, level, backend, options, follow, failures, task, set_)
        viewer = Viewer(session, source, Gamepad(gamepad))
        page = Page(server, viewer)
        terminal.console().print(f"viewer: {address(host, server.get_port())} (Ctrl-C ends it)")
        try:
            page.run(threading.Event())
        finally:
            clock = viewer.clock
            terminal.console().print(
                f"{clock.steps} control steps, {clock.dropped_share:.1%} of those due were dropped"
            )
    finally:
        server.stop()


def _check_of_falls(*values: object) -> None:
    """Raise ValueError for any of ``values`` that was given, in the order of :data:`_NOT_OF_FALLS`, and would count for nothing beside --failures."""
    names = [name for (name, unset), value in zip(_NOT_OF_FALLS.items(), values, strict=True) if value != unset]
    if names:
        raise ValueError(f"--failures shows falls as they were evaluated: leave out {', '.join(names)}")


def _session(
    policy: str,
    robots: int,
    ground: str | None,
    level: int,
    backend: str,
    options: tuple[str, ...],
    follow: str | None,
    failures: Path | None,
    task: Path | None,
    changes: tuple[str, ...],
) -> tuple[Session, Followed | None]:
    """What is looked at, and where newer policies come from."""
    if failures is not None:
        return FallSession(load(failures)), None
    loaded, own = _policy_and_task(follow or policy, follow is not None)
    changed = (task_given(task) or own).with_(changes_given(changes))
    setup = Setup(ground=ground, level=level)
    session = Session(changed, loaded, robots, setup, backend=backend, options=options_given(options))
    return session, None if follow is None else Followed(Run.open(run_folder(follow)))


def _policy_and_task(name: str, is_run: bool) -> tuple[Policy | None, Task]:
    """The policy of that name and its task; an environment or a run that goes on may have no policy yet."""
    try:
        policy = policy_named(name)
    except FileNotFoundError:
        if is_run:
            run = Run.open(run_folder(name))
            return None, task_of_run(run, run.recipe())
        if name not in ids():
            raise
        return None, task_of(name)
    return policy, policy.task
