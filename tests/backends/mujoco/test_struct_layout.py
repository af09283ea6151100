"""Where fields lie in MuJoCo's structs, as its headers say it, is where they lie."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import mujoco
import numpy as np
import pytest

from locoenvs.backends.mujoco.struct_layout import Header

FOLDER = Path(mujoco.__file__).parent / "include" / "mujoco"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the headers, to change."""
    for name in ("mjmodel.h", "mjdata.h"):
        shutil.copy(FOLDER / name, tmp_path)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_offsets_lead_to_what_the_bindings_show() -> None:
    """Also to the last fields, beyond all that could be laid out otherwise."""
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
    )
    data, header = mujoco.MjData(model), Header()
    for struct, owner, fields in (
        ("mjModel", model, ("qpos0", "geom_size", "body_mass", "name_geomadr")),
        ("mjData", data, ("qpos", "geom_xpos", "qfrc_bias", "cvel")),
    ):
        for field in fields:
            array = getattr(owner, field)
            declared = {np.float64: "mjtNum*", np.int32: "int*"}[array.dtype.type]
            address = owner._address + header.offset(struct, field, declared)
            assert ctypes.c_void_p.from_address(address).value == array.ctypes.data, field
    signature = ctypes.c_uint64.from_address(model._address + header.offset("mjModel", "signature", "uint64_t")).value
    assert signature == model.signature  # the last of all
    assert header.size("mjPreContact") == 10 * 8


def test_it_agrees_with_mujocos_own_list_of_fields() -> None:
    structs = pytest.importorskip("mujoco.introspect.structs").STRUCTS
    header = Header()
    for struct in ("mjOption", "mjVisual", "mjModel", "mjData", "mjPreContact"):
        ours = [field[0] for field in header._structs[struct]._fields_]
        assert ours == [field.name for field in structs[struct].fields]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("mjmodel.h", "mjtNum*   geom_user;", "float*    geom_user;", "mjModel.geom_user is float*, not mjtNum*"),
        ("mjmodel.h", "mjtNum*   geom_user;", "mjtNum*   geom_other;", "mjModel.geom_user is missing, not mjtNum*"),
        ("mjmodel.h", "mjtNum*   geom_user;", "mjtNum (*geom_user)(int);", "of its mjModel cannot be read"),
        ("mjmodel.h", "int integrator;", "mjtOther integrator;", "the type mjtOther"),
        ("mjmodel.h", "mjtNum o_solref[mjNREF];", "mjtNum o_solref[mjNOTHER];", "the number mjNOTHER"),
        ("mjmodel.h", "typedef struct mjModel_ {", "struct mjModel_ {", "do not declare mjModel"),
    ],
)
def test_what_is_not_there_or_cannot_be_read_is_said(name: str, old: str, new: str, said: str, folder: Path) -> None:
    change(folder / name, old, new)
    with pytest.raises(ValueError, match=said.replace("*", r"\*")):
        Header(folder).offset("mjModel", "geom_user", "mjtNum*")


def test_missing_headers_are_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mjmodel.h cannot be read"):
        Header(tmp_path)


def test_declarations_are_found_whatever_their_white_space() -> None:
    header = Header()
    assert header.has("typedef int (*mjfCollision)(const mjModel* m, mjData* d,\n  mjPreContact* con")
    assert not header.has("typedef int (*mjfCollision)(const mjModel* m, mjData* d, mjContact* con")
