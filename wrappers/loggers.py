"""What a training writes beside its ledger: TensorBoard and Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from locoenvs import install
from locoenvs.training.run import Run


def tensorboard(run: Run, update: int, recipe: dict[str, Any]) -> Any:
    """A writer after ``update``: what an earlier one wrote beyond it is dropped. It says by which panel the run is validated."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(run.folder / "tensorboard"), purge_step=update + 1)
    if (planned := recipe.get("validation")) is not None:
        writer.add_text("validation/panel", f"{planned['panel']}, {planned['panel_hash']}", update)
    return writer


def import_wandb() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise ImportError(f"--wandb needs wandb: {install.line('wandb')}") from error
    return wandb


def wandb_run(run: Run, recipe: dict[str, Any]) -> Any:
    """A Weights & Biases run in the group of the run's name. WANDB_MODE=offline works without an account."""
    wandb = import_wandb()
    name = run.folder.resolve().name
    try:
        return wandb.init(project="locoenvs", group=name, name=name, dir=str(run.folder), config=recipe)
    except wandb.Error as error:
        raise ValueError(f"Weights & Biases: {error}. Log in by `wandb login`, or set WANDB_MODE=offline") from error


def scalars(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a ledger line with slash-separated names; lists and what is unknown are left out."""
    for name, value in line.items():
        group = value.items() if isinstance(value, dict) else [("", value)]
        for key, number in group:
            if isinstance(number, int | float):
                yield f"{name}/{key}".removesuffix("/"), number
