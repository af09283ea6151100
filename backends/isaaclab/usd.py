"""Robot and ground as USD files, authored from the same data as every other backend's models.

Needs ``pxr`` alone (usd-core, or the one that Isaac Sim brings). Physics that the standard schemas have no word for is
written as attributes that PhysX (``physx...``), Newton (``newton:``) and its MuJoCo solver (``mjc:``) read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from locoenvs.backends.isaaclab import cache
from locoenvs.backends.isaaclab.mesh import Mesh
from locoenvs.tasks.robot import Body, Joint, Robot, Sphere, Visual

FORMAT = 1
"""Counts the changes of what this file writes, so that files of an older one are not used."""

CONTACT_TIME, LIMIT_TIME = 0.01, 0.02
"""Contacts, joint limits: time constant, s, of the penetration's decay at damping ratio 1, as in native MuJoCo."""
IMPEDANCE = (0.999, 0.999, 0.001, 0.5, 2.0)
"""Contacts: nearly rigid, as in native MuJoCo, so that the feet of a standing robot do not creep."""


def robot_file(robot: Robot, *, visuals: bool = False) -> Path:
    """The cached USD file of a robot; with ``visuals`` also the shapes that are drawn and touch nothing."""
    for name in (robot.name, *(body.name for body in robot.bodies), *robot.joint_names):
        if not Sdf.Path.IsValidIdentifier(name):
            raise ValueError(f"robot {robot.name!r}: {name!r} cannot name a prim: use letters, digits and underscores")
    drawn = robot if visuals else dataclasses.replace(robot, visuals=())
    content = json.dumps([FORMAT, CONTACT_TIME, LIMIT_TIME, IMPEDANCE, dataclasses.asdict(drawn)], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return cache.stored(f"{robot.name}-{digest}.usdc", lambda path: _write(path, drawn.name, _Writer.robot, drawn))


def ground_file(mesh: Mesh | None) -> Path:
    """The cached USD file of a ground of triangles; None is a plane."""
    digest = hashlib.sha256(f"{FORMAT}".encode())
    if mesh is not None:
        for array in (mesh.points, mesh.triangles):
            digest.update(np.ascontiguousarray(array).tobytes())
    name = "plane" if mesh is None else "ground"
    return cache.stored(f"{name}-{digest.hexdigest()[:16]}.usdc", lambda path: _write(path, name, _Writer.ground, mesh))


def _write(path: Path, root: str, author: Any, what: object) -> None:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    top = UsdGeom.Xform.Define(stage, f"/{root}").GetPrim()
    stage.SetDefaultPrim(top)
    author(_Writer(stage, f"/{root}"), what)
    stage.GetRootLayer().Save()


@dataclasses.dataclass(frozen=True)
class _Writer:
    """Writes into a stage below the prim ``root``."""

    stage: Any
    root: str

    def robot(self, robot: Robot) -> None:
        """Bodies beside each other, each where it stands with all joints at zero; the base is the articulation's root."""
        material = self.material("robot_material")
        places: dict[str | None, np.ndarray] = {None: np.zeros(3)}
        touching = set(robot.contact_bodies)
        for body in robot.bodies:
            places[body.name] = places[body.parent] + np.array(body.position)
            self.body(body, places[body.name], reports_contacts=body.name in touching)
            if body.parent is not None:
                self.joint(body)
        base = self.stage.GetPrimAtPath(f"{self.root}/{robot.bodies[0].name}")
        UsdPhysics.ArticulationRootAPI.Apply(base)
        _apply(base, "PhysxArticulationAPI", {
            "physxArticulation:enabledSelfCollisions": False,
            "physxArticulation:solverPositionIterationCount": 4,
            "physxArticulation:solverVelocityIterationCount": 1,
            "physxArticulation:sleepThreshold": 0.0,
        })  # fmt: skip
        for index, sphere in enumerate(robot.spheres):
            self.sphere(f"sphere_{index}", sphere, material)
        for index, visual in enumerate(robot.visuals):
            self.visual(f"visual_{index}", visual)

    def body(self, body: Body, place: np.ndarray, *, reports_contacts: bool) -> None:
        xform = UsdGeom.Xform.Define(self.stage, f"{self.root}/{body.name}")
        xform.AddTranslateOp().Set(Gf.Vec3d(*map(float, place)))
        prim = xform.GetPrim()
        UsdPhysics.RigidBodyAPI.Apply(prim)
        moments, axes = principal_inertia(body)
        mass = UsdPhysics.MassAPI.Apply(prim)
        mass.CreateMassAttr(body.mass)
        mass.CreateCenterOfMassAttr(Gf.Vec3f(*body.center_of_mass))
        mass.CreateDiagonalInertiaAttr(Gf.Vec3f(*map(float, moments)))
        mass.CreatePrincipalAxesAttr(_quaternion(axes))
        _apply(prim, "PhysxRigidBodyAPI", {
            "physxRigidBody:linearDamping": 0.0,
            "physxRigidBody:angularDamping": 0.0,
            "physxRigidBody:maxLinearVelocity": 1000.0,
            "physxRigidBody:maxAngularVelocity": math.degrees(1000.0),
            "physxRigidBody:maxDepenetrationVelocity": 1.0,
            "physxRigidBody:sleepThreshold": 0.0,
        })  # fmt: skip
        if reports_contacts:
            _apply(prim, "PhysxContactReportAPI", {"physxContactReport:threshold": 0.0})

    def joint(self, body: Body) -> None:
        """The hinge, or the weld, between a body and its parent."""
        path = f"{self.root}/joints/{body.joint.name if body.joint else body.name + '_weld'}"
        kind = UsdPhysics.RevoluteJoint if body.joint else UsdPhysics.FixedJoint
        schema = kind.Define(self.stage, path)
        schema.CreateBody0Rel().SetTargets([f"{self.root}/{body.parent}"])
        schema.CreateBody1Rel().SetTargets([f"{self.root}/{body.name}"])
        schema.CreateLocalPos0Attr(Gf.Vec3f(*body.position))
        schema.CreateLocalPos1Attr(Gf.Vec3f(0.0))
        turned = _quaternion(_from_x(body.joint.axis) if body.joint else np.array([1.0, 0.0, 0.0, 0.0]))
        schema.CreateLocalRot0Attr(turned)
        schema.CreateLocalRot1Attr(turned)
        if body.joint is not None:
            self.hinge(schema, body.joint)

    def hinge(self, schema: Any, joint: Joint) -> None:
        schema.CreateAxisAttr("X")
        schema.CreateLowerLimitAttr(math.degrees(joint.lower))
        schema.CreateUpperLimitAttr(math.degrees(joint.upper))
        drive = UsdPhysics.DriveAPI.Apply(schema.GetPrim(), "angular")
        drive.CreateTypeAttr("force")
        drive.CreateStiffnessAttr(0.0)  # torques come from the task
        drive.CreateDampingAttr(0.0)
        drive.CreateMaxForceAttr(joint.torque_limit)
        _apply(schema.GetPrim(), "PhysxJointAPI", {
            "physxJoint:armature": joint.armature,
            "physxJoint:jointFriction": 0.0,
        })  # fmt: skip
        stiffness, damping = spring(LIMIT_TIME)
        per_degree = math.radians(1.0)
        _set(schema.GetPrim(), {
            "newton:angular:limitStiffness": stiffness * per_degree,
            "newton:angular:limitDamping": damping * per_degree,
        })  # fmt: skip

    def sphere(self, name: str, sphere: Sphere, material: Any) -> None:
        """A contact sphere. For Newton it has priority 1: its friction counts and not that of the ground."""
        geometry = UsdGeom.Sphere.Define(self.stage, f"{self.root}/{sphere.body}/{name}")
        geometry.CreateRadiusAttr(sphere.radius)
        geometry.CreateExtentAttr([Gf.Vec3f(-sphere.radius), Gf.Vec3f(sphere.radius)])
        geometry.AddTranslateOp().Set(Gf.Vec3d(*sphere.position))
        geometry.CreatePurposeAttr(UsdGeom.Tokens.guide)
        prim = geometry.GetPrim()
        UsdPhysics.CollisionAPI.Apply(prim)
        _apply(prim, "PhysxCollisionAPI", {"physxCollision:contactOffset": 0.01, "physxCollision:restOffset": 0.0})
        stiffness, damping = spring(CONTACT_TIME)
        _set(prim, {"newton:contact_ke": stiffness, "newton:contact_kd": damping, "newton:contactMargin": 0.0,
                    "mjc:priority": 1, "mjc:condim": 3})  # fmt: skip
        prim.CreateAttribute("mjc:solimp", Sdf.ValueTypeNames.DoubleArray).Set(list(IMPEDANCE))
        _bind(prim, material)

    def visual(self, name: str, visual: Visual) -> None:
        path = f"{self.root}/{visual.body}/{name}"
        first, second, third = visual.size
        if visual.shape in ("cylinder", "capsule"):
            kind = UsdGeom.Cylinder if visual.shape == "cylinder" else UsdGeom.Capsule
            geometry = kind.Define(self.stage, path)
            geometry.CreateRadiusAttr(first)
            geometry.CreateHeightAttr(2 * second)
            geometry.CreateAxisAttr("Z")
            scale = (1.0, 1.0, 1.0)
        elif visual.shape == "box":
            geometry = UsdGeom.Cube.Define(self.stage, path)
            geometry.CreateSizeAttr(2.0)
            scale = (first, second, third)
        else:
            geometry = UsdGeom.Sphere.Define(self.stage, path)
            geometry.CreateRadiusAttr(1.0)
            scale = (first, second, third) if visual.shape == "ellipsoid" else (first, first, first)
        geometry.AddTranslateOp().Set(Gf.Vec3d(*visual.position))
        geometry.AddOrientOp().Set(_quaternion(np.array(visual.rotation)))
        geometry.AddScaleOp().Set(Gf.Vec3f(*scale))
        geometry.CreateDisplayColorAttr([Gf.Vec3f(*visual.color[:3])])

    def ground(self, mesh: Mesh | None) -> None:
        if mesh is None:
            plane = UsdGeom.Plane.Define(self.stage, f"{self.root}/surface")
            plane.CreateAxisAttr("Z")
            prim = plane.GetPrim()
        else:
            surface = UsdGeom.Mesh.Define(self.stage, f"{self.root}/surface")
            surface.CreatePointsAttr(np.ascontiguousarray(mesh.points))
            surface.CreateFaceVertexIndicesAttr(np.ascontiguousarray(mesh.triangles.reshape(-1)))
            surface.CreateFaceVertexCountsAttr(np.full(len(mesh.triangles), 3, np.int32))
            surface.CreateSubdivisionSchemeAttr("none")
            surface.CreateExtentAttr([Gf.Vec3f(*map(float, edge(mesh.points, axis=0))) for edge in (np.min, np.max)])
            prim = surface.GetPrim()
            UsdPhysics.MeshCollisionAPI.Apply(prim).CreateApproximationAttr("none")
        UsdPhysics.CollisionAPI.Apply(prim)
        _apply(prim, "PhysxCollisionAPI", {"physxCollision:contactOffset": 0.01, "physxCollision:restOffset": 0.0})
        _set(prim, {"newton:contactMargin": 0.0})
        _bind(prim, self.material("ground_material"))

    def material(self, name: str) -> Any:
        """Friction 1, which PhysX multiplies with that of what touches it, so that the robot's own is what counts."""
        material = UsdShade.Material.Define(self.stage, f"{self.root}/{name}")
        physics = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
        physics.CreateStaticFrictionAttr(1.0)
        physics.CreateDynamicFrictionAttr(1.0)
        physics.CreateRestitutionAttr(0.0)
        material.GetPrim().AddAppliedSchema("PhysxMaterialAPI")
        for mode in ("frictionCombineMode", "restitutionCombineMode"):
            material.GetPrim().CreateAttribute(f"physxMaterial:{mode}", Sdf.ValueTypeNames.Token).Set("multiply")
        return material


def spring(time_constant: float) -> tuple[float, float]:
    """MuJoCo's time constant at damping ratio 1 in Newton's words: stiffness, 1/s^2, and damping, 1/s, a unit of mass."""
    return 1 / time_constant**2, 2 / time_constant


def principal_inertia(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Principal moments (3,) kg m^2 and the wxyz quaternion that turns the principal axes into the body's."""
    xx, yy, zz, xy, xz, yz = body.inertia
    moments, axes = np.linalg.eigh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    return moments, _of_matrix(axes)


def _of_matrix(matrix: np.ndarray) -> np.ndarray:
    """The wxyz quaternion of a rotation matrix."""
    rotation = Gf.Matrix3d(*map(float, matrix.T.reshape(-1))).ExtractRotation().GetQuat()
    return np.array([rotation.GetReal(), *rotation.GetImaginary()])


def _from_x(axis: tuple[float, float, float]) -> np.ndarray:
    """The wxyz quaternion of a rotation that turns x into ``axis``."""
    rotation = Gf.Rotation(Gf.Vec3d(1, 0, 0), Gf.Vec3d(*axis)).GetQuat()
    return np.array([rotation.GetReal(), *rotation.GetImaginary()])


def _quaternion(wxyz: np.ndarray) -> Any:
    return Gf.Quatf(*map(float, wxyz))


def _bind(prim: Any, material: Any) -> None:
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")


def _apply(prim: Any, schema: str, values: dict[str, bool | int | float]) -> None:
    """Apply a schema that usd-core does not know, by name."""
    prim.AddAppliedSchema(schema)
    _set(prim, values)


def _set(prim: Any, values: dict[str, bool | int | float]) -> None:
    kinds = {bool: Sdf.ValueTypeNames.Bool, int: Sdf.ValueTypeNames.Int, float: Sdf.ValueTypeNames.Float}
    for name, value in values.items():
        prim.CreateAttribute(name, kinds[type(value)]).Set(value)
