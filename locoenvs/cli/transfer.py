"""``locoenvs transfer``: does a policy hold up on other physics and with other drives?"""

from __future__ import annotations

from typing import Annotated

import tyro

from locoenvs import terminal
from locoenvs.cli.arguments import OptionalPath, Panels, Word, policy_named, write
from locoenvs.cli.steps import evaluate_noted
from locoenvs.evidence.panel import Panel
from locoenvs.evidence.result import Result
from locoenvs.evidence.transfer import table
from locoenvs.evidence.transfer import transfer as tried
from locoenvs.tasks.recipes import ActuatorKind

Backends = Annotated[tuple[str, ...], tyro.conf.arg(metavar="BACKEND", help_behavior_hint="(optional)")]
Drives = Annotated[tuple[ActuatorKind, ...], tyro.conf.arg(metavar="{pd,lstm}", help_behavior_hint="(optional)")]


def transfer(
    policy: Word,
    to: Backends = (),
    drives: Drives = (),
    panel: Panels = None,
    backend: str = "auto",
    smoke: bool = False,
    seed: int = 0,
    out: OptionalPath = None,
) -> None:
    """Try a policy on other physics and with other drives, on the same panels with the same robots and draws.

    What is not installed, and what a backend cannot do, is said. The results of --out are what compare takes as a folder. What is found
    of a run's policy is kept in the run, which counts how often a panel is used.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        to: Backends to try beside the first, as shown by list.
        drives: What drives the joints, pd or lstm, the first of which the others are measured by; what the policy was trained with if none.
        panel: Panels, as eval takes them; by default the one for the policy's ground.
        backend: The backend that the others are measured by.
        smoke: Few robots for a few seconds, for a quick look.
        seed: Seed of the bootstrap.
        out: Folder to write the results to, one JSON file each, as they come.
    """
    loaded, console = policy_named(policy), terminal.console()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # an error now rather than after the evaluations

    def judge(asked: Panel, name: str | None, where: str) -> Result:
        result = evaluate_noted(console, loaded, asked, name, where)
        if out is not None:
            write(out / f"{result.panel}-{where}-{asked.task.actuator.kind}.json", result.to_json())
        return result

    outcome = tried(
        loaded,
        judge,
        (backend, *to),
        drives,
        panel or (None,),
        smoke,
        seed,
    )
    console.print(table(outcome))
    for where, why in outcome.missing:
        console.print(f"not tried: {where}: {why}", markup=False)
    for line in outcome.verdicts():
        console.print(line, markup=False)
