"""What MuJoCo reads in a description and no robot here has: refused where it makes another machine, else told."""

from __future__ import annotations

import mujoco
import numpy as np

from locoenvs.backends.mujoco.description_model import listed

_CONTACT: dict[str, list[float]] = {
    "friction": [1.0, 0.005, 0.0001],
    "solref": [0.02, 1.0],
    "solimp": [0.9, 0.95, 0.001, 0.5, 2.0],
    "margin": [0.0],
}
"""Of a shape that says nothing."""


def refuse_couplings(model: mujoco.MjModel) -> None:
    """Raises ValueError for a closed loop, or for joints that move together: here each joint moves by itself."""
    for equality in np.nonzero(model.eq_active0)[0]:
        kind = mujoco.mjtEq(model.eq_type[equality]).name.removeprefix("mjEQ_").lower()
        what = _equality_objects(model, int(equality))
        raise ValueError(
            f"<equality> {kind} of {what}: here a robot is an open chain whose joints move by themselves. Take it out "
            "(it is another machine then), or make fixed what it holds"
        )
    for tendon in range(model.ntendon):
        acts = model.tendon_limited[tendon] or model.tendon_actfrclimited[tendon]
        for field in ("stiffness", "damping", "frictionloss", "armature"):
            acts |= bool(np.any(np.ravel(getattr(model, f"tendon_{field}"))[_rows(model, field, tendon)] != 0))
        drives = (model.actuator_trntype == int(mujoco.mjtTrn.mjTRN_TENDON)) & (model.actuator_trnid[:, 0] == tendon)
        if acts or drives.any():
            name = model.tendon(tendon).name or tendon
            raise ValueError(
                f"tendon {name!r} couples joints: here each has a drive of its own. Take the tendon out, and give the "
                "joints actuators"
            )


def _rows(model: mujoco.MjModel, field: str, tendon: int) -> slice:
    """The numbers of a tendon in a field, of which stiffness and damping may have several."""
    each = np.asarray(getattr(model, f"tendon_{field}")).size // model.ntendon
    return slice(each * tendon, each * (tendon + 1))


def _equality_objects(model: mujoco.MjModel, equality: int) -> str:
    """What an equality constraint holds together."""
    kind, named = int(model.eq_type[equality]), []
    types = {mujoco.mjtEq.mjEQ_JOINT: mujoco.mjtObj.mjOBJ_JOINT, mujoco.mjtEq.mjEQ_TENDON: mujoco.mjtObj.mjOBJ_TENDON}
    of = types.get(mujoco.mjtEq(kind), mujoco.mjtObj(int(model.eq_objtype[equality])))
    for number in (int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality])):
        if number >= 0:
            named.append(repr(mujoco.mj_id2name(model, int(of), number) or number))
    return " and ".join(named)


def notes(model: mujoco.MjModel, robot: set[int]) -> list[str]:
    """What is not kept of a model; ``robot`` are the numbers of the bodies of the robot."""
    lines = [*_joints(model, robot), *_shapes(model, robot)]
    beside = [model.body(body).name or f"body {body}" for body in range(1, model.nbody) if body not in robot]
    if beside:
        lines.append(f"not kept: bodies beside the robot: {listed(beside)}")
    if held := [str(model.body(body).name) for body in sorted(robot) if model.body_gravcomp[body]]:
        lines.append(f"not kept: gravcomp of bodies: {listed(held)}")
    for what, count in (
        ("keyframes after the first", model.nkey - 1), ("tendons, which do nothing here", model.ntendon),
        ("<equality> that is not active", model.neq), ("plugins", model.nplugin),
    ):  # fmt: skip
        if count > 0:
            lines.append(f"not kept: {what} ({count})")
    plain = mujoco.MjSpec().compile().opt
    options = [
        name
        for name in dir(plain)
        if not name.startswith("_") and not np.array_equal(getattr(plain, name), getattr(model.opt, name))
    ]
    if options:
        lines.append(f"not kept: <option> {', '.join(options)}: the suite has its own")
    return lines


def _joints(model: mujoco.MjModel, robot: set[int]) -> list[str]:
    """Springs, damping and friction of joints, with their numbers."""
    lines = []
    for what, values in (
        ("stiffness of joints (N m/rad)", np.reshape(model.jnt_stiffness, (model.njnt, -1)).max(axis=1)),
        ("damping of joints (N m s/rad)", np.reshape(model.dof_damping, (model.nv, -1)).max(axis=1)[model.jnt_dofadr]),
        ("frictionloss of joints (N m)", model.dof_frictionloss[model.jnt_dofadr]),
        ("actuatorgravcomp of joints", model.jnt_actgravcomp.astype(float)),
        ("margin of joints (rad)", model.jnt_margin),
    ):
        names = [
            f"{model.joint(joint).name or joint} {values[joint]:.4g}"
            for joint in range(model.njnt)
            if values[joint] != 0 and int(model.jnt_bodyid[joint]) in robot
        ]
        if names:
            lines.append(f"not kept: {what}: {listed(names)}")
    free = [joint for joint in range(model.njnt) if model.jnt_type[joint] == int(mujoco.mjtJoint.mjJNT_FREE)]
    if any(model.dof_armature[model.jnt_dofadr[joint]] for joint in free):
        lines.append("not kept: armature of the free joint")
    return lines


def _shapes(model: mujoco.MjModel, robot: set[int]) -> list[str]:
    """What touches and has no spheres, how it touches, and the world around."""
    kinds, lines = mujoco.mjtGeom, []
    touching = [g for g in range(model.ngeom) if model.geom_contype[g] or model.geom_conaffinity[g]]
    own = [geom for geom in touching if int(model.geom_bodyid[geom]) in robot]
    if others := [
        f"{kinds(model.geom_type[geom]).name.removeprefix('mjGEOM_').lower()} of {model.body(model.geom_bodyid[geom]).name}"
        for geom in own
        if int(model.geom_type[geom]) in (int(kinds.mjGEOM_ELLIPSOID), int(kinds.mjGEOM_PLANE))
    ]:
        lines.append(f"not kept: contact shapes, for which no spheres stand: {listed(others)}")
    differ = [
        name
        for name, usual in _CONTACT.items()
        if own and not np.allclose(getattr(model, f"geom_{name}")[own], usual, rtol=1e-9)
    ]
    if differ:
        lines.append(f"not kept: {', '.join(differ)} of contacts: the suite has its own")
    if world := sum(1 for geom in range(model.ngeom) if model.geom_bodyid[geom] == 0):
        lines.append(f"not kept: shapes of the world ({world})")
    return lines
