"""Newton with its MuJoCo solver, inside Isaac Lab 3.0: settings, friction per robot, memory between steps."""

from __future__ import annotations

import math
from typing import Any

import torch

from locoenvs.tasks.task import Task

TRIANGLE_CONTACTS = 4
"""Contact points that a sphere may have at once on a ground of triangles; on a plane it has one."""

_GAP = 0.01
"""Contacts are looked for up to this distance, m; they push from distance 0 on."""


def contact_points(task: Task) -> int:
    """An upper estimate of the contact points that one robot has at once."""
    return len(task.robot.spheres) * (1 if task.terrain.kind == "plane" else TRIANGLE_CONTACTS)


def settings(task: Task, num_envs: int, contacts: int) -> Any:
    """Isaac Lab's configuration of the physics.

    On a plane MuJoCo's own collision detection finds the contacts, as in native MuJoCo; it would take the convex hull of
    a mesh, so on triangles Newton's does. Solver, integrator and friction cone are those of native MuJoCo.
    """
    from isaaclab_newton.physics import MJWarpSolverCfg, NewtonCfg, NewtonCollisionPipelineCfg, NewtonShapeCfg

    plane = task.terrain.kind == "plane"
    limits = len(task.robot.joints)
    solver = MJWarpSolverCfg(
        solver="newton",
        integrator="euler",
        cone="elliptic",
        iterations=100,
        ls_iterations=50,
        nconmax=contacts,
        njmax=3 * contacts + limits,  # normal and two tangents
        use_mujoco_contacts=plane,
    )
    pipeline = None
    if not plane:
        pipeline = NewtonCollisionPipelineCfg(
            rigid_contact_max=contacts * num_envs, max_triangle_pairs=triangle_pairs(task) * num_envs
        )
    return NewtonCfg(
        solver_cfg=solver,
        collision_cfg=pipeline,
        default_shape_cfg=NewtonShapeCfg(margin=0.0, gap=_GAP),
        num_substeps=1,
    )


def triangle_pairs(task: Task) -> int:
    """How many pairs of a sphere and a triangle whose boxes overlap one robot can have."""
    cells = (math.ceil(2 * (sphere.radius + 2 * _GAP) / task.terrain.cell) + 1 for sphere in task.robot.spheres)
    return sum(2 * count**2 for count in cells)


class Newton:
    """What the simulator asks of the physics beyond Isaac Lab's own face."""

    def __init__(self, robot: Any) -> None:
        from isaaclab_newton.physics import NewtonManager

        self._manager, self._robot = NewtonManager, robot

    def force_scale(self, dt: float) -> float:
        """The contact sensor reports N."""
        return 1.0

    def set_friction(self, friction: torch.Tensor) -> None:
        """Give each robot's spheres the coefficient (N,). They have priority over the ground, so it is the effective one."""
        import warp
        from newton.solvers import SolverNotifyFlags

        shapes = self._robot.root_view.get_attribute("shape_material_mu", self._manager.get_model())
        warp.to_torch(shapes).copy_(friction.reshape(-1, *[1] * (len(shapes.shape) - 1)).expand(tuple(shapes.shape)))
        self._manager.add_model_change(SolverNotifyFlags.SHAPE_PROPERTIES)

    def memory(self) -> dict[str, torch.Tensor]:
        """What the next step depends on beyond positions and velocities: the accelerations that the solver starts from.

        The tensors are the engine's own, (N, ...): what is written into them counts.
        """
        import warp

        return {"warmstart": warp.to_torch(self._manager._solver.mjw_data.qacc_warmstart)}

    def overflow(self) -> str | None:
        """What to say if contacts were lost in the last step because the buffers were too small. Waits for a GPU.

        Newton's own collision detection, on triangles, stops counting when its buffer is full: a full one may have lost some.
        """
        data = self._manager._solver.mjw_data
        found, room = int(data.nacon.numpy()[0]), int(data.naconmax)
        most = room - 1 if self._manager._needs_collision_pipeline else room
        return None if found <= most else f"at least {found} contact points, room for {room}"
