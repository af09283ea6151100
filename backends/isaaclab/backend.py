"""The backend's entry point, which only an environment with Isaac Lab can import."""

from __future__ import annotations

from locoenvs.backends.isaaclab import requirements

requirements.choose(requirements.find(), None)

from locoenvs.backends.isaaclab.simulator import IsaacLabSimulator  # noqa: E402
from locoenvs.mdp.terrain import HeightMap  # noqa: E402
from locoenvs.tasks.task import Task  # noqa: E402


def make(
    task: Task,
    height_map: HeightMap,
    num_envs: int,
    *,
    device: str | None = None,
    physics: str | None = None,
    vertical_risers: bool = False,
    visuals: bool = False,
    contacts_per_robot: int | None = None,
) -> IsaacLabSimulator:
    """The entry point of the backend ``isaaclab``.

    Args:
        device: "cpu", "cuda", "cuda:1"; None is the first GPU, or the CPU.
        physics: "newton", "physx" (in Isaac Sim) or "ovphysx" (PhysX on its own); None is the first that is installed.
        vertical_risers: make steep cells of the ground vertical.
        visuals: also load the shapes that are drawn, for Isaac Lab's own viewers.
        contacts_per_robot: room for contact points; None is an estimate from the robot and its ground.
    """
    return IsaacLabSimulator(
        task,
        height_map,
        num_envs,
        device=device,
        physics=physics,
        vertical_risers=vertical_risers,
        visuals=visuals,
        contacts_per_robot=contacts_per_robot,
    )
