"""``locoenvs export``."""

from __future__ import annotations

from pathlib import Path

from locoenvs import install, terminal
from locoenvs.cli.arguments import Word, policy_named
from locoenvs.policies.deploy.export import write_export

MODELS = "locoenvs.model_files"
"""The entry-point group of what writes a task's robot for a simulator: each loads to ``text(task) -> str``."""


def export(policy: Word, out: Path, model: bool = False, force: bool = False) -> None:
    """Write a policy for a robot: policy.onnx, policy.json, and runtime.py and runtime.hpp, which run it without this package.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        out: Folder to write to.
        model: Write the robot too, on a plane, as MuJoCo reads it: model.xml.
        force: Replace what is there.
    """
    loaded = policy_named(policy)
    text = install.plugins(MODELS)["xml"].load()(loaded.task) if model else None
    names = write_export(loaded, out, text, force)
    terminal.console().print(f"policy: {out} ({', '.join(names)})")
