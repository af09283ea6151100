"""The text of a robot's description, looked at before MuJoCo reads it.

A description may come from anyone. MuJoCo reads what a file names, as deep, as large and as often as it says.
"""

from __future__ import annotations

import stat
import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path

_LARGEST = 20_000_000
"""Bytes of a description, with what it includes."""
_DEEPEST = 100
_MOST = 1_000
"""Copies that one ``<replicate>`` makes, with those around it."""
_FINEST = 100.0
"""Largest parameter of a mesh that MuJoCo makes itself: it has so many rings of so many points."""
_WIDEST = 1e7
"""Points of a height field; no robot has one, but its file may."""
_MAKERS = ("composite", "flexcomp")
"""What makes bodies by the hundred, none of them a robot's."""


def parse(path: Path) -> ElementTree.Element:
    """The root element of a description. Raises ValueError for one that is no plain XML, is too large, or has NaN in it.

    What it includes is looked at too, and is not put in.
    """
    files = _Files()
    root = files.parse(path)
    files.look(root, path, path)
    return root


def regular(path: Path) -> bool:
    """Whether there is such a file, and no device or pipe that can be read for ever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # ValueError: a null character
        return False


class _Files:
    """The files of one description: how much of them was read."""

    def __init__(self) -> None:
        self._size = 0
        self._seen: set[Path] = set()

    def parse(self, path: Path) -> ElementTree.Element:
        if not regular(path):
            raise ValueError(f"{path} is no file")
        self._seen.add(path.resolve())
        self._size += path.stat().st_size
        if self._size > _LARGEST:
            raise ValueError(f"{path}: {self._size / 1e6:.0f} MB of text, at most {_LARGEST / 1e6:.0f}: is it a robot?")
        text = path.read_bytes()
        if b"<!ENTITY" in text:
            raise ValueError(f"{path}: defines XML entities, which MuJoCo does not read: write out what they stand for")
        depth, copies = 0, 1.0
        try:
            walk = ElementTree.iterparse(BytesIO(text), events=("start", "end"))
            for event, element in walk:
                factor = max(1.0, _number(element.get("count", "1"))) if element.tag == "replicate" else 1.0
                if event == "start":
                    depth, copies = depth + 1, copies * factor
                    _look(path, element, depth, copies)
                else:
                    depth, copies = depth - 1, copies / factor
        except ElementTree.ParseError as error:
            raise ValueError(f"{path}, line {error.position[0]}: {error}") from error
        except LookupError as error:  # an encoding that there is not
            raise ValueError(f"{path}: {error}") from error
        root: ElementTree.Element = walk.root  # type: ignore[attr-defined]
        return root

    def look(self, root: ElementTree.Element, path: Path, main: Path) -> None:
        """Look at the descriptions that one includes, relative to itself or to the main one."""
        for element in root.iter():
            if element.tag not in ("include", "model") or not (name := element.get("file")):
                continue
            places = [folder / name for folder in (path.parent, main.parent)]
            file = next((place for place in places if regular(place)), None)
            if file is None:
                raise ValueError(f"{path}: its <{element.tag}> {name!r} is not there: no file {places[0]}")
            if file.resolve() not in self._seen:
                self.look(self.parse(file), file, main)


def _number(text: str) -> float:
    """0 for what is none: MuJoCo says so."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _look(path: Path, element: ElementTree.Element, depth: int, copies: float) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"{path}: its elements are nested deeper than {_DEEPEST}")
    if not copies <= _MOST:
        raise ValueError(f"{path}: <replicate> makes {copies:.0f} copies, at most {_MOST}")
    if element.tag in _MAKERS:
        raise ValueError(f"{path}: <{element.tag}> makes bodies that no robot here can have: take it out")
    if element.tag == "mesh" and "builtin" in element.attrib:
        if any(_number(word) > _FINEST for word in element.get("params", "").split()):
            raise ValueError(f"{path}: <mesh params={element.get('params')!r}>: at most {_FINEST:.0f}")
    if element.tag == "hfield":
        points = _number(element.get("nrow", "0")) * _number(element.get("ncol", "0"))
        if not points <= _WIDEST:
            raise ValueError(f"{path}: a height field of {points:.3g} points, at most {_WIDEST:.3g}: take it out")
    for name, value in element.items():
        if any(_is_nan(word) for word in value.split()):
            raise ValueError(f"{path}: <{element.tag} {name}={value!r}>: NaN is no number")


def _is_nan(word: str) -> bool:
    return word.lstrip("+-").lower() == "nan"
