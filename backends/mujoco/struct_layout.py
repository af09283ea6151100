"""Where the fields of MuJoCo's C structs lie in memory, read from the headers that come with MuJoCo."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mujoco

_TYPES: dict[str, type] = {
    "char": ctypes.c_char,
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "mjtBool": ctypes.c_bool,
    "mjtByte": ctypes.c_ubyte,
    "mjtNum": ctypes.c_double,
    "mjtSize": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "uint64_t": ctypes.c_uint64,
    "uintptr_t": ctypes.c_size_t,
}
_STRUCTS = (
    ("mjmodel.h", ("mjOption", "mjVisual", "mjStatistic", "mjModel")),
    ("mjdata.h", ("mjPreContact", "mjSolverStat", "mjWarningStat", "mjTimerStat", "mjData")),
)
_FIELD = re.compile(r"(?:const )?(\w+) ?(\**) ?(\w+)((?:\[[^\]]+\])*)")
_NESTED = re.compile(r"struct \{(.*)\} (\w+)", re.DOTALL)


class Header:
    """The structs of this MuJoCo, as its headers in ``folder`` declare them.

    Raises ValueError for what they do not hold, or declare in a way that cannot be read.
    """

    def __init__(self, folder: Path = Path(mujoco.__file__).parent / "include" / "mujoco") -> None:
        self._declared: dict[tuple[str, str], str] = {}
        self._structs: dict[str, type[ctypes.Structure]] = {}
        self._text = ""
        try:
            for name, structs in _STRUCTS:
                text = re.sub(r"//.*|/\*.*?\*/", "", (folder / name).read_text())
                self._text += re.sub(r"\s+", " ", text)
                self._constants = dict(re.findall(r"#define (mjN\w+) (\d+)", self._text))
                for struct in structs:
                    self._structs[struct] = self._structure(struct, self._body(struct))
        except OSError as error:
            raise ValueError(f"its header {error.filename} cannot be read") from error

    def offset(self, struct: str, field: str, declared: str) -> int:
        """Bytes from the beginning of a struct to a field whose type is ``declared``, such as ``int*``."""
        found = self._declared.get((struct, field))
        if found != declared:
            raise ValueError(f"its {struct}.{field} is {found or 'missing'}, not {declared}")
        return int(getattr(self._structs[struct], field).offset)

    def size(self, struct: str) -> int:
        """Bytes of a struct."""
        return ctypes.sizeof(self._structs[struct])

    def has(self, declaration: str) -> bool:
        """Whether the headers hold these words, whatever the white space."""
        return re.sub(r"\s+", " ", declaration) in self._text

    def _body(self, struct: str) -> str:
        begin = re.search(rf"typedef struct {struct}_ \{{", self._text)
        end = re.search(rf"\}} {struct};", self._text)
        if begin is None or end is None:
            raise ValueError(f"its headers do not declare {struct}")
        return self._text[begin.end() : end.start()]

    def _structure(self, name: str, body: str) -> type[ctypes.Structure]:
        fields: list[tuple[str, type]] = []
        for statement in _statements(body):
            if nested := _NESTED.fullmatch(statement):
                fields.append((nested[2], self._structure(f"{name}.{nested[2]}", nested[1])))
                continue
            field = _FIELD.fullmatch(statement)
            if field is None:
                raise ValueError(f"{statement!r} of its {name} cannot be read")
            kind, stars, label, extents = field.groups()
            self._declared[name, label] = kind + stars
            fields.append((label, self._type(kind, stars, re.findall(r"\[([^\]]+)\]", extents))))
        return type(name, (ctypes.Structure,), {"_fields_": fields})

    def _type(self, kind: str, stars: str, extents: list[str]) -> type:
        known: Mapping[str, type] = {**_TYPES, **self._structs}
        if not stars and kind not in known:
            raise ValueError(f"the type {kind} of its fields is not known")
        made: Any = ctypes.c_void_p if stars else known[kind]
        for extent in reversed(extents):
            made = made * math.prod(self._number(factor) for factor in extent.split("*"))
        return made

    def _number(self, text: str) -> int:
        """A literal, a #define, or the last name of an enum, which counts the others."""
        text = text.strip()
        if text.isdigit():
            return int(text)
        if text in self._constants:
            return int(self._constants[text])
        for count, enum in (("mjNWARNING", mujoco.mjtWarning), ("mjNTIMER", mujoco.mjtTimer)):
            if text == count:
                return int(getattr(enum, count))
        raise ValueError(f"the number {text} in its headers is not known")


def _statements(body: str) -> list[str]:
    """What the semicolons of a struct part, with nested structs whole."""
    found, depth, begin = [], 0, 0
    for place, letter in enumerate(body):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == ";" and depth == 0:
            found.append(body[begin:place].strip())
            begin = place + 1
    return found
