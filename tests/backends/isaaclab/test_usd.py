"""The robot's and the ground's USD files, read back, against the data that they are made from."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pxr = pytest.importorskip("pxr", reason="usd-core is not installed: pip install usd-core")

from pxr import Usd, UsdGeom, UsdPhysics, UsdShade  # noqa: E402

from fake import BIPED  # noqa: E402
from locoenvs.backends.isaaclab import usd  # noqa: E402
from locoenvs.backends.isaaclab.mesh import ground_mesh  # noqa: E402
from locoenvs.mdp.terrain import build  # noqa: E402
from locoenvs.tasks.entries import TileShare  # noqa: E402
from locoenvs.tasks.robot import Robot, Visual  # noqa: E402
from locoenvs.tasks.robots import ROBOTS  # noqa: E402
from locoenvs.tasks.task import Terrain  # noqa: E402

ALL = [*ROBOTS.values(), BIPED]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCOENVS_CACHE", str(tmp_path))


def opened(path: Path) -> Usd.Stage:
    return Usd.Stage.Open(str(path))


def prim(stage: Usd.Stage, name: str) -> Usd.Prim:
    return stage.GetPrimAtPath(stage.GetDefaultPrim().GetPath().AppendPath(name))


def matrix(quaternion: Any) -> np.ndarray:
    """The rotation matrix of a USD quaternion: columns are the turned axes."""
    w, (x, y, z) = quaternion.GetReal(), quaternion.GetImaginary()
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def inertia(values: tuple[float, ...]) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = values
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.mark.parametrize("robot", ALL, ids=lambda robot: robot.name)
def test_masses_centers_and_inertias_are_the_robots(robot: Robot) -> None:
    stage = opened(usd.robot_file(robot))
    for body in robot.bodies:
        mass = UsdPhysics.MassAPI(prim(stage, body.name))
        assert prim(stage, body.name).HasAPI(UsdPhysics.RigidBodyAPI)
        assert mass.GetMassAttr().Get() == pytest.approx(body.mass)
        np.testing.assert_allclose(mass.GetCenterOfMassAttr().Get(), body.center_of_mass, atol=1e-7)
        axes = matrix(mass.GetPrincipalAxesAttr().Get())
        rebuilt = axes @ np.diag(mass.GetDiagonalInertiaAttr().Get()) @ axes.T
        np.testing.assert_allclose(rebuilt, inertia(body.inertia), atol=2e-6 * max(body.inertia))


@pytest.mark.parametrize("robot", ALL, ids=lambda robot: robot.name)
def test_joints_join_what_they_should_about_the_right_axis(robot: Robot) -> None:
    stage = opened(usd.robot_file(robot))
    root = stage.GetDefaultPrim().GetPath()
    for body in robot.bodies[1:]:
        name = body.joint.name if body.joint else f"{body.name}_weld"
        joint = UsdPhysics.Joint(prim(stage, f"joints/{name}"))
        assert joint.GetBody0Rel().GetTargets() == [root.AppendChild(body.parent)]
        assert joint.GetBody1Rel().GetTargets() == [root.AppendChild(body.name)]
        np.testing.assert_allclose(joint.GetLocalPos0Attr().Get(), body.position, atol=1e-7)
        np.testing.assert_array_equal(joint.GetLocalPos1Attr().Get(), (0, 0, 0))
        turned = matrix(joint.GetLocalRot0Attr().Get())
        np.testing.assert_allclose(matrix(joint.GetLocalRot1Attr().Get()), turned)
        if body.joint is None:
            assert joint.GetPrim().IsA(UsdPhysics.FixedJoint)
            np.testing.assert_allclose(turned, np.eye(3), atol=1e-7)
            continue
        hinge = UsdPhysics.RevoluteJoint(joint.GetPrim())
        assert hinge.GetAxisAttr().Get() == "X"
        np.testing.assert_allclose(turned[:, 0], body.joint.axis, atol=1e-6)
        assert math.radians(hinge.GetLowerLimitAttr().Get()) == pytest.approx(body.joint.lower, rel=1e-5)
        assert math.radians(hinge.GetUpperLimitAttr().Get()) == pytest.approx(body.joint.upper, rel=1e-5)
        drive = UsdPhysics.DriveAPI(joint.GetPrim(), "angular")
        assert (drive.GetStiffnessAttr().Get(), drive.GetDampingAttr().Get()) == (0, 0)
        assert drive.GetMaxForceAttr().Get() == pytest.approx(body.joint.torque_limit)
        assert joint.GetPrim().GetAttribute("physxJoint:armature").Get() == pytest.approx(body.joint.armature)


@pytest.mark.parametrize("robot", ALL, ids=lambda robot: robot.name)
def test_bodies_lie_flat_where_the_joints_put_them_and_the_base_is_the_root(robot: Robot) -> None:
    stage = opened(usd.robot_file(robot))
    places: dict[str | None, np.ndarray] = {None: np.zeros(3)}
    for body in robot.bodies:
        places[body.name] = places[body.parent] + body.position
        made = prim(stage, body.name)
        assert made.GetParent() == stage.GetDefaultPrim(), "a body inside another would inherit its pose"
        transform = UsdGeom.Xformable(made).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
        np.testing.assert_allclose(transform.ExtractTranslation(), places[body.name], atol=1e-9)
    roots = [p.GetName() for p in stage.Traverse() if p.HasAPI(UsdPhysics.ArticulationRootAPI)]
    assert roots == [robot.bodies[0].name]


@pytest.mark.parametrize("robot", ALL, ids=lambda robot: robot.name)
def test_only_the_spheres_touch_and_their_friction_counts(robot: Robot) -> None:
    stage = opened(usd.robot_file(robot, visuals=True))
    touching = [p for p in stage.Traverse() if p.HasAPI(UsdPhysics.CollisionAPI)]
    assert len(touching) == len(robot.spheres)
    for index, sphere in enumerate(robot.spheres):
        made = prim(stage, f"{sphere.body}/sphere_{index}")
        assert UsdGeom.Sphere(made).GetRadiusAttr().Get() == pytest.approx(sphere.radius)
        transform = UsdGeom.Xformable(made).GetLocalTransformation()
        np.testing.assert_allclose(transform.ExtractTranslation(), sphere.position, atol=1e-9)
        assert made.GetAttribute("mjc:priority").Get() == 1
        material = UsdShade.MaterialBindingAPI(made).ComputeBoundMaterial("physics")[0]
        assert material.GetPrim().GetAttribute("physxMaterial:frictionCombineMode").Get() == "multiply"
        assert UsdPhysics.MaterialAPI(material.GetPrim()).GetStaticFrictionAttr().Get() == 1
    applied = {p.GetName(): p.GetMetadata("apiSchemas") for p in stage.Traverse()}  # also those that pxr does not know
    reporting = {
        name for name, found in applied.items() if found and "PhysxContactReportAPI" in found.GetAppliedItems()
    }
    assert reporting == set(robot.contact_bodies)


def test_contacts_are_as_stiff_as_in_native_mujoco() -> None:
    import mujoco

    from locoenvs.backends.mujoco.model import compile_model
    from locoenvs.tasks.task import Task

    task = Task(robot=BIPED, terrain=Terrain(kind="plane"))
    model = compile_model(task, build(task.terrain))
    geom = int(np.nonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_SPHERE)[0][0])
    stage = opened(usd.robot_file(BIPED))
    made = prim(stage, "base/sphere_0")
    time, ratio = model.geom_solref[geom]
    ke, kd = (made.GetAttribute(f"newton:contact_{name}").Get() for name in ("ke", "kd"))
    # The inverse of Newton's documented conversion: ke = 1 / (time ratio)^2, kd = 2 / time
    assert 2 / kd == pytest.approx(time) and math.sqrt(1 / ke) == pytest.approx(time * ratio)
    np.testing.assert_allclose(made.GetAttribute("mjc:solimp").Get(), model.geom_solimp[geom])
    joint = prim(stage, "joints/left_hip")
    stiffness, damping = (
        math.degrees(joint.GetAttribute(f"newton:angular:limit{name}").Get()) for name in ("Stiffness", "Damping")
    )
    time, ratio = model.jnt_solref[1]
    assert 2 / damping == pytest.approx(time) and math.sqrt(1 / stiffness) == pytest.approx(time * ratio)


def test_a_visual_looks_like_the_robots() -> None:
    robot = next(robot for robot in ROBOTS.values() if robot.visuals)
    stage = opened(usd.robot_file(robot, visuals=True))
    assert len([p for p in stage.Traverse() if p.GetName().startswith("visual_")]) == len(robot.visuals)
    for index, visual in enumerate(robot.visuals):
        made = UsdGeom.Gprim(prim(stage, f"{visual.body}/visual_{index}"))
        low, high = (np.array(corner) for corner in made.ComputeExtentFromPlugins(made, Usd.TimeCode.Default()))
        transform = np.array(UsdGeom.Xformable(made).GetLocalTransformation())
        scale = np.linalg.norm(transform[:3, :3], axis=-1)
        np.testing.assert_allclose(transform[3, :3], visual.position, atol=1e-9)
        half = {
            "box": visual.size,
            "ellipsoid": visual.size,
            "sphere": (visual.size[0],) * 3,
            "cylinder": (visual.size[0], visual.size[0], visual.size[1]),
            "capsule": (visual.size[0], visual.size[0], visual.size[0] + visual.size[1]),
        }[visual.shape]
        np.testing.assert_allclose((high - low) / 2 * scale, half, rtol=1e-5)


def test_a_file_is_written_once_and_named_after_what_it_holds(tmp_path: Path) -> None:
    first = usd.robot_file(BIPED)
    written = first.stat().st_mtime_ns
    assert usd.robot_file(BIPED) == first and first.stat().st_mtime_ns == written
    bodies = (dataclasses.replace(BIPED.bodies[0], mass=11.0), *BIPED.bodies[1:])
    assert usd.robot_file(dataclasses.replace(BIPED, bodies=bodies)) != first
    painted = dataclasses.replace(BIPED, visuals=(Visual("base", "sphere", (0.1, 0.0, 0.0), (0.0, 0.0, 0.0)),))
    assert usd.robot_file(painted) == first, "what is not drawn is not part of the file"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        {first.name, *(p.name for p in tmp_path.glob("*.usdc"))}
    )


def test_the_ground_is_the_meshs_triangles() -> None:
    mesh = ground_mesh(build(Terrain(levels=1, columns=1, border=1.0, shares=(TileShare("rough", 1.0),))))
    stage = opened(usd.ground_file(mesh))
    surface = UsdGeom.Mesh(prim(stage, "surface"))
    np.testing.assert_array_equal(surface.GetPointsAttr().Get(), mesh.points)
    np.testing.assert_array_equal(np.array(surface.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3), mesh.triangles)
    assert set(surface.GetFaceVertexCountsAttr().Get()) == {3}
    assert UsdPhysics.MeshCollisionAPI(surface.GetPrim()).GetApproximationAttr().Get() == "none"
    stage = opened(usd.ground_file(None))
    plane = prim(stage, "surface")
    assert plane.IsA(UsdGeom.Plane) and plane.HasAPI(UsdPhysics.CollisionAPI)


def test_a_name_that_usd_cannot_have_is_refused() -> None:
    body = dataclasses.replace(BIPED.bodies[0], name="the base")
    bodies = (body, *(dataclasses.replace(b, parent="the base") if b.parent == "base" else b for b in BIPED.bodies[1:]))
    spheres = tuple(dataclasses.replace(s, body="the base") if s.body == "base" else s for s in BIPED.spheres)
    robot = dataclasses.replace(BIPED, bodies=bodies, spheres=spheres, terminating=("the base",))
    with pytest.raises(ValueError, match="'the base' cannot name a prim"):
        usd.robot_file(robot)
    with pytest.raises(ValueError, match="'go2-v2' cannot name a prim"):
        usd.robot_file(dataclasses.replace(BIPED, name="go2-v2"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOCOENVS_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="LOCOENVS_CACHE"):
        usd.robot_file(BIPED)
