"""The rigid bodies of a description, those without mass joined to what carries them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import mujoco
import numpy as np

from locoenvs.backends.mujoco.description_model import Source, listed

_SHARES = (1e-2, 1e-3, 1e-4)
"""Of its parent's mass that a body gets which has none, but touches; the first that leaves a real body behind."""
_POINT = 1e-5
"""Every body spreads at least so far in each direction, m."""
_SLIGHT = 1e-6
"""Changes of an inertia by less than this share are not told."""


@dataclass(frozen=True)
class Rigid:
    """Mass kg, center of mass m (3,) and inertia about it kg m^2 (3, 3), in world axes."""

    mass: float
    center: np.ndarray
    inertia: np.ndarray

    def plus(self, other: Rigid, sign: float = 1.0) -> Rigid:
        """Both as one body, or this one without the other, where ``sign`` is -1."""
        mass = self.mass + sign * other.mass
        center = (self.mass * self.center + sign * other.mass * other.center) / mass if mass > 0 else self.center
        inertia = self._about(center) + sign * other._about(center)
        return Rigid(mass, center, inertia)

    def _about(self, point: np.ndarray) -> np.ndarray:
        off = self.center - point
        return self.inertia + self.mass * (off @ off * np.eye(3) - np.outer(off, off))

    @property
    def is_real(self) -> bool:
        """Whether a body can have it: the second moments of its mass are all positive."""
        return self.mass > 0 and float(np.linalg.eigvalsh(_second(self.inertia))[0]) > 0

    def nearest_real(self) -> Rigid:
        """The same with an inertia that a body of some size can have."""
        moments, axes = np.linalg.eigh(_second(self.inertia))
        second = axes @ np.diag(np.maximum(moments, self.mass * _POINT**2)) @ axes.T
        return replace(self, inertia=np.trace(second) * np.eye(3) - second)


def _second(inertia: np.ndarray) -> np.ndarray:
    """The second moments of the mass that an inertia is of."""
    return np.trace(inertia) / 2 * np.eye(3) - inertia


@dataclass
class Part:
    """One body: its number in the model, its parent, where its frame stands in the world, m, and what touches of it."""

    number: int
    parent: Part | None
    joint: int | None
    origin: np.ndarray
    rigid: Rigid
    spheres: list[tuple[np.ndarray, float]] = field(default_factory=list)

    @property
    def weighs(self) -> bool:
        return self.rigid.mass > 0


def parts(source: Source, data: mujoco.MjData, trunk: int, names: list[str], notes: list[str]) -> list[Part]:
    """The bodies of the robot in the pose of ``data``, parents first, each with a mass; as a whole they weigh and turn as
    MuJoCo's do.

    A body without mass that cannot be one of ours is joined to its parent; one that touches gets a little of its
    parent's mass, taken out of the parent.
    """
    robot_parts = _all(source, data, trunk, names)
    _absorb(robot_parts, names, notes)
    frames, touching, kept = [], [], list[Part]()
    for part in robot_parts:
        if part.parent is not None:
            part.parent = _kept_above(part, kept)
        if part.weighs:
            kept.append(part)
            continue
        assert part.parent is not None  # the root weighs something by now
        if part.spheres and (light := _light(part)) is not None:
            part.parent.rigid, part.rigid = part.parent.rigid.plus(light, -1.0), light
            kept.append(part)
            touching.append(f"{names[part.number]} of {names[part.parent.number]}'s")
        else:
            part.parent.rigid = part.parent.rigid.plus(part.rigid)
            part.parent.spheres += part.spheres
            frames.append(names[part.number])
    if touching:
        notes.append(
            f"changed: bodies that touch and have no mass get a little, taken out of their parents: {listed(touching)}"
        )
    if frames:
        notes.append(f"not kept: frames without mass: {listed(frames)}")
    _make_real(kept, names, notes)
    return kept


def _make_real(kept: list[Part], names: list[str], notes: list[str]) -> None:
    """Give each body an inertia that a body can have.

    What is too much or too little is in a body that it is welded to, if that stays real: both together move as they did.
    """
    shared, changed = [], []
    for part in kept:
        real = part.rigid.nearest_real()
        excess = real.inertia - part.rigid.inertia
        if np.linalg.norm(excess) > _SLIGHT * np.linalg.norm(part.rigid.inertia):
            for other in kept:
                if (part.joint is None and other is part.parent) or (other.joint is None and other.parent is part):
                    rest = replace(other.rigid, inertia=other.rigid.inertia - excess)
                    if rest.is_real:
                        other.rigid = rest
                        shared.append(f"{names[part.number]} with {names[other.number]}")
                        break
            else:
                moments = np.linalg.eigvalsh(part.rigid.inertia)
                if moments[0] < -_SLIGHT * np.abs(moments).max():
                    raise ValueError(
                        f"body {names[part.number]!r} has an inertia that no body has: its principal moments are "
                        f"{', '.join(f'{moment:.3g}' for moment in moments)} kg m^2"
                    )
                changed.append(names[part.number])
        part.rigid = real
    if shared:
        notes.append(f"changed: inertias that no body can have are shared with what it is fixed to: {listed(shared)}")
    if changed:
        notes.append(f"changed: inertias that no body can have are the nearest that one can: {listed(changed)}")


def _all(source: Source, data: mujoco.MjData, trunk: int, names: list[str]) -> list[Part]:
    model, hinged, free = source.model, int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_FREE)
    by_body: dict[int, Part] = {}
    for body in range(trunk, model.nbody):
        if model.body_rootid[body] != trunk:
            continue
        count, first = int(model.body_jntnum[body]), int(model.body_jntadr[body])
        kinds = [int(model.jnt_type[first + index]) for index in range(count)]
        if kinds not in ([], [free] if body == trunk else [hinged]):
            said = [mujoco.mjtJoint(kind).name.removeprefix("mjJNT_").lower() for kind in kinds]
            raise ValueError(
                f"body {names[body]!r} has the joints {said}: the root moves freely and every other body has one hinge or "
                "none. Split it into bodies of one hinge each, or take the joint out"
            )
        hinge = first if kinds == [hinged] else None
        inertia, axes = source.inertias.get(names[body]), data.xmat[body].reshape(3, 3)
        if inertia is None:
            inertia, axes = np.diag(model.body_inertia[body]), data.ximat[body].reshape(3, 3)
        rigid = Rigid(float(model.body_mass[body]), np.array(data.xipos[body]), axes @ inertia @ axes.T)
        origin = np.array(data.xpos[body] if hinge is None else data.xanchor[hinge])
        by_body[body] = Part(body, by_body.get(int(model.body_parentid[body])), hinge, origin, rigid)
    for body, center, radius in _spheres(model, data):
        if body in by_body:
            by_body[body].spheres.append((center, radius))
    return list(by_body.values())


def _absorb(robot_parts: list[Part], names: list[str], notes: list[str]) -> None:
    """A body that moves and has no mass becomes one with the first body that has one and is welded to it."""
    for part in list(robot_parts):
        if part.weighs or (part.parent is not None and part.joint is None):
            continue
        welded = {id(part)}
        for other in robot_parts:
            if other.joint is None and other.parent is not None and id(other.parent) in welded:
                if other.weighs:
                    break
                welded.add(id(other))
        else:
            raise ValueError(f"body {names[part.number]!r} moves and has no mass")
        part.rigid = part.rigid.plus(other.rigid)
        part.spheres += other.spheres
        for child in robot_parts:
            if child.parent is other:
                child.parent = part
        robot_parts.remove(other)
        notes.append(
            f"changed: {names[other.number]} is part of {names[part.number]}, which has no mass and which it is fixed to"
        )


def _kept_above(part: Part, kept: list[Part]) -> Part:
    above = part.parent
    while above is not None and not any(above is each for each in kept):
        above = above.parent
    assert above is not None
    return above


def _light(part: Part) -> Rigid | None:
    """A small ball around what touches of ``part``, light enough for its parent to be a real body without it."""
    assert part.parent is not None
    center = np.mean([center for center, _ in part.spheres], axis=0)
    radius = max(radius for _, radius in part.spheres)
    for share in _SHARES:
        mass = share * part.parent.rigid.mass
        ball = Rigid(mass, center, 0.4 * mass * radius**2 * np.eye(3))
        light = ball.plus(part.rigid)  # what has no mass may have an inertia
        if part.parent.rigid.plus(ball, -1.0).is_real:
            return light
    return None


def _spheres(model: mujoco.MjModel, data: mujoco.MjData) -> Iterator[tuple[int, np.ndarray, float]]:
    """Spheres inside the shapes that touch, as (body, center in the world m, radius m): the sphere itself, the ends of
    capsules and cylinders, a box's corners."""
    kinds = mujoco.mjtGeom
    for geom in range(model.ngeom):
        if not (model.geom_contype[geom] or model.geom_conaffinity[geom]):
            continue
        kind, size = int(model.geom_type[geom]), model.geom_size[geom]
        if kind == kinds.mjGEOM_SPHERE:
            points, radius = np.zeros((1, 3)), size[0]
        elif kind in (kinds.mjGEOM_CAPSULE, kinds.mjGEOM_CYLINDER):
            radius = size[0] if kind == kinds.mjGEOM_CAPSULE else min(size[:2])
            half = size[1] if kind == kinds.mjGEOM_CAPSULE else size[1] - radius
            points = np.array([[0, 0, half], [0, 0, -half]]) if half > 0 else np.zeros((1, 3))
        elif kind == kinds.mjGEOM_BOX:
            radius = min(size)
            signs = np.array(np.meshgrid((1, -1), (1, -1), (1, -1))).reshape(3, -1).T
            points = np.unique(signs * (size - radius), axis=0)
        else:
            continue
        for point in points:
            place = data.geom_xmat[geom].reshape(3, 3) @ point + data.geom_xpos[geom]
            yield int(model.geom_bodyid[geom]), place, float(radius)
