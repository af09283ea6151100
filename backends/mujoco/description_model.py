"""A robot's description as MuJoCo reads it, whether or not the files of its pictures are there."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from locoenvs.backends.mujoco import description_text

_LARGEST = 100_000_000
"""Bytes of the meshes that masses are taken from."""
_MOST = 1_000
"""Bodies of a description."""
_MOMENTS = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
_MARGIN = 1e-9
"""Share of the largest moment of inertia by which one is surely that of a body."""
_UNREAD = ("link", "joint", "material", "mujoco")
"""What a URDF holds beside what is told to be left out."""


@dataclass(frozen=True)
class Source:
    """A description, compiled: each body for itself, the root free to move or not as the file says.

    ``speeds`` are the velocity limits of joints, rad/s, where the file says one; ``fixed`` whether it says that the
    root does not move; ``inertias``, kg m^2 (3, 3) in the body's axes, those of a URDF that no body can have and MuJoCo
    does not take; ``notes`` what of the file is not in ``model``.
    """

    model: mujoco.MjModel
    name: str
    speeds: dict[str, float]
    fixed: bool
    inertias: dict[str, np.ndarray]
    notes: list[str]


def compile_file(path: Path) -> Source:
    """What MuJoCo makes of a description. Of a URDF, masses are those of its ``<inertial>`` elements and no others.

    Raises ValueError naming what cannot be read, among it a mesh that a mass is taken from and that is not there.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        source = _compile(path)
    source.notes.extend(f"MuJoCo says: {' '.join(str(warning.message).split())}" for warning in said)
    return source


def _compile(path: Path) -> Source:
    root, notes, inertias = description_text.parse(path), list[str](), dict[str, np.ndarray]()
    try:
        if root.tag == "robot":
            speeds, fixed, inertias = _speeds(root), _prepare_urdf(root, notes), _unreal(root)
            spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
            _inertials_alone(spec, notes)
        elif root.tag == "mujoco":
            speeds, spec = {}, mujoco.MjSpec.from_file(str(path.resolve()))
            fixed = not any(joint.type == mujoco.mjtJoint.mjJNT_FREE for joint in spec.joints)
            _prepare_mjcf(spec, notes)
        else:
            raise ValueError(f"its root is <{root.tag}>: it is neither MJCF (<mujoco>) nor URDF (<robot>)")
        if len(spec.bodies) > _MOST:
            raise ValueError(f"it has {len(spec.bodies)} bodies, at most {_MOST}: is it one robot?")
        spec.compiler.fusestatic = False
        model = spec.compile()
    except ValueError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    name = root.get("name") or root.get("model") or ""
    if not name or name == "MuJoCo Model":  # as MuJoCo writes one that has none
        name = path.stem
    return Source(model, name, speeds, fixed, inertias, notes)


def _prepare_urdf(root: ElementTree.Element, notes: list[str]) -> bool:
    """Take away shapes that need other files, and let the robot move freely. Returns whether it is fixed to the world."""
    mimics = [joint.get("name") for joint in root.findall("joint") if joint.find("mimic") is not None]
    if mimics:
        raise ValueError(
            f"joint {mimics[0]!r}{_more(len(mimics) - 1)} has a <mimic>: here each joint has a drive of its own. Take "
            'the <mimic> out if it may have one, or make the joint type="fixed"'
        )
    drawn, meshes = 0, []
    for link in root.findall("link"):
        for part in [*link.findall("visual"), *link.findall("collision")]:
            mesh = part.find("geometry/mesh") is not None
            if part.tag == "visual" or mesh:
                link.remove(part)
            drawn += part.tag == "visual"
            if part.tag == "collision" and mesh:
                meshes.append(link.get("name", ""))
    _note(notes, "shapes that are only drawn", drawn)
    if meshes:
        notes.append(f"not kept: contact meshes, for which no spheres stand: {listed(meshes)}")
    parts = Counter(part.tag for part in root if part.tag not in _UNREAD)
    parts.update(part.tag for joint in root.findall("joint") for part in joint if part.tag == "safety_controller")
    if parts:
        notes.append(f"not kept: {', '.join(f'<{tag}> ({count})' for tag, count in parts.items())}")
    joints = root.findall("joint")
    children = {child.get("link") for child in root.findall("joint/child")}
    free = [link.get("name", "") for link in root.findall("link") if link.get("name") not in children]
    if len(free) == 1 and free[0] != "world":  # MuJoCo would weld it to the world
        ElementTree.SubElement(root, "link", name="world")
        joint = ElementTree.SubElement(root, "joint", name="root", type="floating")
        ElementTree.SubElement(joint, "parent", link="world")
        ElementTree.SubElement(joint, "child", link=free[0])
        return False
    first = [
        joint for joint in joints if (parent := joint.find("parent")) is not None and parent.get("link") == "world"
    ]
    return bool(first) and first[0].get("type") == "fixed"


def _unreal(root: ElementTree.Element) -> dict[str, np.ndarray]:
    """The inertias of a URDF that no body can have, each replaced by one that MuJoCo takes, unless it shall mend them."""
    compiler, inertias = root.find("mujoco/compiler"), dict[str, np.ndarray]()
    if compiler is not None and compiler.get("balanceinertia") == "true":
        return inertias
    for link in root.findall("link"):
        part, mass = link.find("inertial/inertia"), link.find("inertial/mass")
        if part is None or mass is None:
            continue
        try:
            xx, yy, zz, xy, xz, yz = (float(part.get(name, "0")) for name in _MOMENTS)
            weight, turn, quaternion = float(mass.get("value", "0")), np.zeros(9), np.zeros(4)
            origin = link.find("inertial/origin")
            angles = [float(word) for word in (origin.get("rpy", "0 0 0") if origin is not None else "0 0 0").split()]
            mujoco.mju_euler2Quat(quaternion, np.array(angles), "XYZ")
        except (ValueError, TypeError):  # MuJoCo says what is wrong
            continue
        matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        moments = np.linalg.eigvalsh(matrix) if np.isfinite(matrix).all() else np.ones(3)
        least = _MARGIN * moments[2]  # MuJoCo's own moments are rounded
        if weight <= 0 or (moments[0] > least and moments[0] + moments[1] > moments[2] + least):
            continue
        mujoco.mju_quat2Mat(turn, quaternion)
        axes = turn.reshape(3, 3)
        inertias[link.get("name", "")] = axes @ matrix @ axes.T
        part.attrib.update(dict.fromkeys(_MOMENTS, "0") | dict.fromkeys(_MOMENTS[:3], repr(weight)))
    return inertias


def _speeds(root: ElementTree.Element) -> dict[str, float]:
    """The velocity limits of a URDF's joints, rad/s, where it says one; MJCF has none."""
    limits = {joint.get("name", ""): joint.find("limit") for joint in root.findall("joint")}
    speeds = {name: float(limit.get("velocity", 0)) for name, limit in limits.items() if limit is not None}
    return {name: speed for name, speed in speeds.items() if 0 < speed < np.inf}


def _inertials_alone(spec: mujoco.MjSpec, notes: list[str]) -> None:
    """By URDF's rules a shape weighs nothing, and a link without ``<inertial>`` has no mass."""
    for geom in spec.geoms:
        geom.mass = 0.0
    compiler, rules = spec.compiler, []
    for rule, neutral in (
        ("inertiafromgeom", mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_AUTO), ("boundmass", 0.0), ("boundinertia", 0.0),
        ("settotalmass", -1.0),
    ):  # fmt: skip
        if getattr(compiler, rule) != neutral:
            setattr(compiler, rule, neutral)
            rules.append(rule)
    if rules:
        notes.append(f"not kept: what <compiler> says of masses ({', '.join(rules)}): a URDF's are its inertials")
    if compiler.balanceinertia:
        notes.append("changed: inertias that no body can have, as <compiler balanceinertia> asks")


def _prepare_mjcf(spec: mujoco.MjSpec, notes: list[str]) -> None:
    """Take away what needs other files and neither moves nor weighs anything, and what names that."""
    if spec.flexes:
        raise ValueError(f"flex {spec.flexes[0].name!r}: a robot here is rigid: take it out")
    _drop_shapes(spec, notes)
    for kind in ("pairs", "excludes", "sensors", "skins", "numerics", "texts", "tuples"):
        parts = list(getattr(spec, kind))
        _note(notes, {"pairs": "contact pairs", "excludes": "contact excludes"}.get(kind, kind), len(parts))
        for part in parts:
            spec.delete(part)
    for kind in ("sites", "cameras", "lights"):
        _note(notes, kind, len(getattr(spec, kind)))
    for part in (*spec.geoms, *spec.sites, *spec.tendons):
        part.material = ""
    for part in (*spec.materials, *spec.textures):
        spec.delete(part)
    for key in ("memory", "nconmax", "njmax", "nuser_body", "nuser_jnt", "nuser_geom", "nuser_site", "nuser_cam"):
        setattr(spec, key, -1)
    for key in ("nuser_tendon", "nuser_actuator", "nuser_sensor", "nstack"):
        setattr(spec, key, -1)
    spec.nuserdata = spec.nkey = 0


def _drop_shapes(spec: mujoco.MjSpec, notes: list[str]) -> None:
    """Take away meshes and height fields, but not a mesh that a body takes its mass from."""
    shape, drawn, touching, kept, size = mujoco.mjtGeom, 0, [], set(), 0
    files = {mesh.name or Path(mesh.file).stem: mesh for mesh in spec.meshes}
    for body in spec.bodies:
        world = body.id == 0 or body.name == "world"
        for geom in list(body.geoms):
            is_mesh = geom.type in (shape.mjGEOM_MESH, shape.mjGEOM_SDF)
            if geom.contype == 0 and geom.conaffinity == 0:
                drawn += not world
            elif is_mesh and not world:
                touching.append(body.name)
            if not geom.meshname:
                if geom.type == shape.mjGEOM_HFIELD:
                    spec.delete(geom)
                continue
            weighs, file = not world and _weighs(geom, body), _file(spec, files.get(geom.meshname))
            there = file is None or description_text.regular(file)
            if weighs and not there:
                raise ValueError(
                    f"body {body.name!r} takes its mass from mesh {geom.meshname!r}, and there is no file {file}: put it "
                    "there, or give the body an <inertial>"
                )
            if weighs or (there and not is_mesh):  # the shape that is fitted to a mesh touches
                kept.add(geom.meshname)
            else:
                spec.delete(geom)
    for name, mesh in files.items():
        if name not in kept:
            spec.delete(mesh)
        elif (file := _file(spec, mesh)) is not None and (size := size + file.stat().st_size) > _LARGEST:
            raise ValueError(f"its meshes have {size / 1e6:.0f} MB, at most {_LARGEST / 1e6:.0f}: use smaller ones")
    for field in list(spec.hfields):
        spec.delete(field)
    _note(notes, "shapes that are only drawn", drawn)
    if touching:
        notes.append(f"not kept: contact meshes, for which no spheres stand: {listed(touching)}")


def _weighs(geom: mujoco.MjsGeom, body: mujoco.MjsBody) -> bool:
    """Whether the mass of a body depends on this shape."""
    rule, (first, last) = body.compiler.inertiafromgeom, body.compiler.inertiagrouprange
    rules = mujoco.mjtInertiaFromGeom
    if rule == rules.mjINERTIAFROMGEOM_FALSE or (rule == rules.mjINERTIAFROMGEOM_AUTO and body.explicitinertial):
        return False
    mass = geom.density if np.isnan(geom.mass) else geom.mass
    return bool(first <= geom.group <= last and mass != 0)


def _file(spec: mujoco.MjSpec, mesh: mujoco.MjsMesh | None) -> Path | None:
    """Where MuJoCo looks for a mesh; None for one that stands in the description itself."""
    if mesh is None or not mesh.file:
        return None
    name = Path(mesh.file).name if spec.strippath else mesh.file
    return Path(spec.modelfiledir, mesh.compiler.meshdir, name)


def listed(names: list[str]) -> str:
    """The first few names."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:4]) + _more(len(names) - 4)


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _note(notes: list[str], what: str, count: int) -> None:
    if count:
        notes.append(f"not kept: {what} ({count})")
