"""This project's own contact with uneven ground in native MuJoCo, in place of its general collider for height fields.

MuJoCo finds the function for a pair of shapes in a table, ``mjCOLLISIONFUNC``. :func:`install` replaces the entry for a
height field and a sphere, once a process, with compiled code that needs no lock of Python's. It serves the models that
:func:`mark` marked; for every other model MuJoCo's own function is called.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NoReturn

import mujoco
import numpy as np

from locoenvs import install as installation
from locoenvs.backends.mujoco.struct_layout import Header

Contact = Literal["triangles", "mujoco"]
"""How contacts on uneven ground are found: by this project's own triangles, or MuJoCo's height field."""

_FUNCTION = (
    "typedef int (*mjfCollision)(const mjModel* m, mjData* d, mjPreContact* con, int g1, int g2, mjtNum margin);"
)
_MODEL = {
    "geom_user": "mjtNum*",
    "geom_dataid": "int*",
    "geom_size": "mjtNum*",
    "hfield_size": "mjtNum*",
    "hfield_nrow": "int*",
    "hfield_ncol": "int*",
    "hfield_adr": "int*",
    "hfield_data": "float*",
}
_DATA = {"geom_xpos": "mjtNum*", "geom_xmat": "mjtNum*"}
_PRE_CONTACT = {"dist": 0, "pos": 8, "normal": 32, "tangent": 56}
"""Field -> where the compiled code writes it."""


@dataclass(frozen=True)
class Installed:
    """What stands in the table as long as the process lives."""

    function: Any  # numba's, which must live as long
    before: int  # the address of the function that it calls for others


_lock = threading.RLock()  # whoever installs may start a process
if hasattr(os, "register_at_fork"):  # a process forks with nothing half installed
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_installed: Installed | None = None


def mark(spec: mujoco.MjSpec, ground: mujoco.MjsGeom, twice: list[mujoco.MjsGeom]) -> None:
    """Have the ``ground``, a height field on the world body, touched by this rule, by the spheres ``twice`` at two places.

    Boxes around shapes do not tell what is near uneven ground, and comparing them costs more than this rule: MuJoCo is told
    to leave that out.
    """
    compiled = _compiled()
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_MIDPHASE
    spec.nuser_geom = compiled.NUM_USER
    ground.userdata = [compiled.OURS, *spec.hfield(ground.hfieldname).size, *ground.pos]
    for sphere in twice:
        sphere.userdata = [compiled.TWICE]


def install() -> None:
    """Put the rule into MuJoCo's table, if it is not there yet.

    Raises ImportError if numba is missing, or if this MuJoCo is not laid out as the compiled code expects.
    """
    global _installed
    with _lock:
        if _installed is None:
            _installed = _install()


def _compiled() -> ModuleType:
    """The module of what is compiled, with which numba is imported."""
    try:
        from locoenvs.backends.mujoco import sphere_on_grid
    except ImportError as error:
        raise ImportError(
            f"contact='triangles' of backend 'mujoco' needs numba, which cannot be imported ({error}): "
            f"{installation.line()}. options={{'contact': 'mujoco'}} does without"
        ) from error
    return sphere_on_grid


def _install() -> Installed:
    compiled = _compiled()
    from llvmlite import binding  # what numba compiles with
    from numba import config

    if config.DISABLE_JIT:
        raise ImportError(
            "contact='triangles' of backend 'mujoco' is compiled by numba, which is told not to compile: "
            "unset NUMBA_DISABLE_JIT, or use options={'contact': 'mujoco'}"
        )

    spec = _probe()
    try:
        offsets = compiled.Offsets(**_offsets(spec))
        entry = _entry()
    except ValueError as error:
        _refuse(str(error))
    before = entry.value
    binding.add_symbol(compiled.MUJOCO, before)
    try:
        function = compiled.compiled(offsets, cache=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError):  # the cache cannot be written, or is broken
        function = compiled.compiled(offsets, cache=False)
    entry.value = function.address
    if wrong := _difference(spec):
        entry.value = before
        _refuse(wrong)
    return Installed(function, before)


def _refuse(why: str) -> NoReturn:
    raise ImportError(
        f"contact='triangles' of backend 'mujoco' does not know MuJoCo {mujoco.mj_versionString()}: {why}. "
        "Install mujoco 3.17 or 4.0, or use options={'contact': 'mujoco'}"
    )


def _offsets(spec: mujoco.MjSpec) -> dict[str, int]:
    """From the headers; each is checked to hold what MuJoCo's own bindings say of a model and its data."""
    header = Header()
    if not header.has(_FUNCTION):
        raise ValueError("its collision functions take other arguments")
    for field, place in _PRE_CONTACT.items():
        if header.offset("mjPreContact", field, "mjtNum") != place:
            raise ValueError(f"its mjPreContact.{field} is elsewhere")
    model = spec.compile()
    data = mujoco.MjData(model)
    offsets = {"nuser_geom": header.offset("mjModel", "nuser_geom", "mjtSize")}
    if ctypes.c_int64.from_address(model._address + offsets["nuser_geom"]).value != model.nuser_geom:
        raise ValueError("its mjModel.nuser_geom is elsewhere")
    for struct, fields, owner in (("mjModel", _MODEL, model), ("mjData", _DATA, data)):
        for field, declared in fields.items():
            offsets[field] = header.offset(struct, field, declared)
            there = ctypes.c_void_p.from_address(owner._address + offsets[field]).value
            if there != getattr(owner, field).ctypes.data:
                raise ValueError(f"its {struct}.{field} is elsewhere")
    return {**offsets, "contact": header.size("mjPreContact")}


def _entry() -> Any:
    """The table's entry for a height field and a sphere, a ``c_void_p`` that stays in place."""
    folder = Path(mujoco.__file__).parent
    names = [path for pattern in ("libmujoco.*", "mujoco.dll") for path in folder.glob(pattern)]
    if len(names) != 1:
        raise ValueError(f"its library is not in {folder}")
    kinds = int(mujoco.mjtGeom.mjNGEOMTYPES)
    table = ctypes.c_void_p * (kinds * kinds)
    try:
        functions = table.in_dll(ctypes.CDLL(str(names[0])), "mjCOLLISIONFUNC")
    except (OSError, ValueError) as error:
        raise ValueError(f"it has no table of collision functions ({error})") from error
    place = int(mujoco.mjtGeom.mjGEOM_HFIELD) * kinds + int(mujoco.mjtGeom.mjGEOM_SPHERE)
    if not functions[place]:
        raise ValueError("its table has no function for a height field and a sphere")
    return ctypes.c_void_p.from_buffer(functions, place * ctypes.sizeof(ctypes.c_void_p))


_CENTER, _RADIUS, _DEPTH = (0.2, 0.75, 0.6), 0.25, 0.05
"""Of the probe's sphere, m."""


def _probe() -> mujoco.MjSpec:
    """A sphere in the level part of a marked ground, above an edge between triangles: MuJoCo finds several contacts."""
    spec = mujoco.MjSpec()
    field = spec.add_hfield(name="ground", nrow=3, ncol=4)
    field.size = [1.5, 1.0, 0.5, 1.0]
    field.userdata = [0.0, 0.0, 0.0, 1.0] * 3
    ground = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=[0.2, 0.3, 0.4])
    body = spec.worldbody.add_body(pos=_CENTER)
    body.add_freejoint()
    sphere = body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[_RADIUS, 0, 0])
    mark(spec, ground, [sphere])
    return spec


def _difference(spec: mujoco.MjSpec) -> str | None:
    """What the probe's sphere feels that it should not; None if all is as it should be."""
    data = mujoco.MjData(spec.compile())
    mujoco.mj_forward(data.model, data)
    contacts = [[*contact.frame[:3], contact.dist, *contact.pos] for contact in data.contact]
    expected = [0.0, 0.0, 1.0, -_DEPTH, *_CENTER[:2], _CENTER[2] - _RADIUS + _DEPTH / 2]
    if len(contacts) == 1 and np.allclose(contacts[0], expected, atol=1e-6):
        return None
    return f"a sphere in level ground has the contacts {np.round(contacts, 6).tolist()} instead of {expected}"
