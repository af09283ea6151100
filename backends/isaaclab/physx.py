"""PhysX, inside Isaac Sim (Isaac Lab 2.3 and 3.0) and on its own (``ovphysx``, 3.0): settings and friction per robot."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import torch

from locoenvs.tasks.task import Task

_LEAST = 2**16
"""The smallest buffer: a few robots must not be limited by the estimate for one."""


def contact_points(task: Task) -> int:
    """An upper estimate of the contact points that one robot has at once: PhysX makes up to four of a sphere's."""
    return 4 * len(task.robot.spheres)


def settings(task: Task, num_envs: int, contacts: int, *, kind: str, major: int) -> Any:
    """Isaac Lab's configuration of the physics, its GPU buffers sized for the number of robots."""
    if kind == "ovphysx":
        from isaaclab_ovphysx.physics import OvPhysxCfg as Settings
    elif major == 2:
        from isaaclab.sim import PhysxCfg as Settings
    else:
        from isaaclab_physx.physics import PhysxCfg as Settings
    points = max(contacts * num_envs, _LEAST)
    return Settings(gpu_max_rigid_contact_count=points, gpu_max_rigid_patch_count=points)


class PhysX:
    """What the simulator asks of the physics beyond Isaac Lab's own face, in Isaac Sim."""

    def force_scale(self, dt: float) -> float:
        """What the contact sensor's numbers are multiplied by to be N, at physics steps of ``dt`` s."""
        return 1.0

    def __init__(self, robot: Any) -> None:
        self._robot = robot

    def set_friction(self, friction: torch.Tensor) -> None:
        """Give each robot's spheres the coefficient (N,). The ground's is 1 and the two are multiplied."""
        every = torch.arange(len(friction), dtype=torch.int32)
        if hasattr(self._robot, "root_physx_view") and not hasattr(self._robot, "root_view"):  # 2.3
            view = self._robot.root_physx_view
            materials = view.get_material_properties()
            materials[..., :2] = friction.cpu()[:, None, None]
            view.set_material_properties(materials, every)
            return
        import warp

        view = self._robot.root_view
        materials = warp.to_torch(view.get_material_properties())
        materials[..., :2] = friction.cpu()[:, None, None]
        view.set_material_properties(warp.from_torch(materials, dtype=warp.float32), warp.from_torch(every))

    def memory(self) -> dict[str, torch.Tensor]:
        """PhysX tells nothing of what it remembers between steps."""
        return {}

    def overflow(self) -> str | None:
        """PhysX says itself, on the terminal, when a buffer was too small."""
        return None


class OvPhysX(PhysX):
    """The same without Isaac Sim."""

    def force_scale(self, dt: float) -> float:
        """ovphysx 0.4 gives Isaac Lab the impulse of a step, N s: a robot at rest weighs ``dt`` times what it should."""
        return 1 / dt if version("ovphysx").startswith("0.4.") else 1.0

    def set_friction(self, friction: torch.Tensor) -> None:
        """See :class:`PhysX`."""
        import warp
        from ovphysx.types import TensorType

        binding = self._robot._get_binding(TensorType.ARTICULATION_SHAPE_FRICTION_AND_RESTITUTION)
        materials = torch.zeros(tuple(binding.shape), dtype=torch.float32)
        materials[..., :2] = friction.cpu()[:, None, None]
        binding.write(warp.from_torch(materials))
