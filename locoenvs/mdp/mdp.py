"""A task made ready to run: its numbers as arrays of one namespace, on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from locoenvs.mdp import kinematics
from locoenvs.mdp.layout import Slot, layout, scan_lines
from locoenvs.mdp.state import RESET_REASONS
from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics.arrays import Array, device_of
from locoenvs.tasks.entries import Term
from locoenvs.tasks.task import Task


@dataclass(frozen=True)
class Mdp:
    """A task, its ground, and the arrays that every step needs. Built by :func:`prepare`."""

    task: Task
    height_map: HeightMap
    xp: ModuleType
    ground: Array  # (rows, columns) m
    tile_centers: Array  # (levels, columns, 3) m
    default_pose: Array  # (J,) rad
    joint_limits: np.ndarray  # (2, J) float64, rad
    feet: Array  # (F,) indices into the contact bodies
    penalized: Array  # (P,) indices into the contact bodies
    terminating: Array  # (T,) indices into the contact bodies
    scan_points: Array  # (K, 2) m, in the base's heading frame
    scale: Array  # (O,) what the observation's values are multiplied by
    noise: Array  # (O,) half width of the observation noise, in scaled units
    sphere_radius: Array  # (S,) m
    sphere_points: (
        Array  # (Q, 3) points of a sphere's lower half: right and forward of its center, and below it, in radii
    )

    @cached_property
    def layout(self) -> tuple[Slot, ...]:
        """What each slice of the observation is."""
        return layout(self.task)

    @property
    def observation_size(self) -> int:
        return self.layout[-1].stop

    @property
    def num_joints(self) -> int:
        return len(self.task.robot.joint_names)

    @cached_property
    def tree(self) -> kinematics.Tree:
        """The robot's bodies and spheres as arrays."""
        return kinematics.tree(self.task.robot)

    @cached_property
    def reward_terms(self) -> Mapping[str, Term]:
        """The reward terms with a weight, in the order of ``Episodes.sums``."""
        return {name: term for name, term in self.task.rewards.terms.items() if term.weight}

    @cached_property
    def reset_reasons(self) -> tuple[str, ...]:
        """What ``reset_reason`` counts in: those of every task, then the terminations that this one has besides."""
        return (*RESET_REASONS, *(name for name in self.task.terminations if name not in RESET_REASONS))

    def soft_limits(self, share: float) -> tuple[Array, Array]:
        """The lower and upper ends, (J,) rad each, of a ``share`` of the joints' ranges about their middles."""
        lower, upper = self.joint_limits
        middle, half = (lower + upper) / 2, (upper - lower) / 2 * share
        device = device_of(self.default_pose)
        ends = (self.xp.asarray(end.astype(np.float32), device=device) for end in (middle - half, middle + half))
        return next(ends), next(ends)


def prepare(task: Task, height_map: HeightMap, xp: ModuleType, device: object = None) -> Mdp:
    """The task's arrays in namespace ``xp`` (one of :mod:`array_api_compat`) on ``device``.

    Raises ValueError for a task that names what nobody registered here.
    """
    if said := task.missing():
        raise ValueError("; ".join(said))

    def array(values: object, dtype: type = np.float32) -> Array:
        return xp.asarray(np.asarray(values, dtype=dtype), device=device)

    robot = task.robot
    contact = list(robot.contact_bodies)
    indices = {
        name: array([contact.index(body) for body in getattr(robot, name)], np.int32)
        for name in ("feet", "penalized", "terminating")
    }
    scan = task.observations.heights
    points = np.zeros((0, 2))
    if scan is not None:
        points = np.stack(np.meshgrid(*scan_lines(scan), indexing="ij"), axis=-1).reshape(-1, 2)
    return Mdp(
        task=task,
        height_map=height_map,
        xp=xp,
        ground=array(height_map.heights),
        tile_centers=array(height_map.tile_centers),
        default_pose=array([joint.default for joint in robot.joints]),
        joint_limits=np.array([[getattr(joint, end) for joint in robot.joints] for end in ("lower", "upper")]),
        scan_points=array(points),
        scale=array([slot.scale for slot in layout(task) for _ in range(slot.start, slot.stop)]),
        noise=array([slot.noise * slot.scale for slot in layout(task) for _ in range(slot.start, slot.stop)]),
        sphere_radius=array([sphere.radius for sphere in robot.spheres]),
        sphere_points=array(_lower_half()),
        **indices,
    )


def _lower_half() -> np.ndarray:
    """Points of a unit sphere's lower half, (Q, 3) right, forward and below: the lowest, and three rings around it.

    A ring is as low as the one inside it, so that nothing that stands up between two of them is missed.
    """
    points, inside = [(0.0, 0.0, 1.0)], 0.0
    for radius, count in ((0.35, 8), (0.65, 8), (0.95, 12)):
        angles = np.arange(count) * 2 * np.pi / count
        points += [(radius * np.cos(a), radius * np.sin(a), np.sqrt(1 - inside**2)) for a in angles]
        inside = radius
    return np.array(points)
