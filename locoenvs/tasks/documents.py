"""JSON files from anywhere: read within bounds, held against a schema, and refused in one short line.

A document is an object with a ``format`` and mostly a ``format_version``. Nothing in it is trusted before it is checked.

Its hash is that of what is stored, not of what today's types make of it. A type may get a field later (:func:`later`): where
it has its neutral value it is not stored, so that documents, and their hashes, stay what they were.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import reprlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from locoenvs.tasks.names import nearest

LARGEST = 8 * 2**20
"""Bytes of the largest document that is read. The largest that the suite writes has a quarter of a million."""

Name = Annotated[str, Field(max_length=200)]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
"""The twelve hex digits of a task, a panel or a drive."""

T = TypeVar("T")

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist = _SHORT.maxtuple = 12


def read(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a file. Raises FileNotFoundError for what is no file, and ValueError for a larger one."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file" if path.exists() else f"{path} is missing")
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"{path} is larger than {largest} bytes: it is not what it is taken for")
    return content


def write_atomically(
    path: Path, write: Callable[[Any], Any], before_replacing: Callable[[], None] = lambda: None
) -> None:
    """Write a file so that ``path`` holds either the old or the whole new content, whatever happens meanwhile."""
    temporary = path.with_name(path.name + ".partial")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    before_replacing()
    os.replace(temporary, path)


def parsed(text: str | bytes, name: str) -> dict[str, Any]:
    """The JSON object in ``text``; errors call it ``name``. Raises ValueError for anything else, NaN included."""
    if len(text) > LARGEST:
        raise ValueError(f"{name} is larger than {LARGEST} bytes: it is not what it is taken for")
    try:
        document = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{name} is no JSON object but {shown(document)}")
    return document


def valid(adapter: TypeAdapter[T], values: Mapping[str, Any], name: str) -> T:
    """``values`` as the adapter's type, strictly: no text for a number. Raises ValueError naming the first wrong field.

    One that is unknown is told with the nearest: it may also be of a newer version that kept the format's number.
    """
    try:
        return adapter.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        field = ".".join(map(_label, first["loc"]))
        ending = "" if first["type"] in ("missing", "value_error") else f", got {shown(first['input'])}"
        rest = f" (and {len(others)} more)" if others else ""
        if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            unknown = nearest("field", _label(first["loc"][-1]), _fields(adapter, first["loc"][:-1]))
            first["msg"], ending = f"of a newer locoenvs, or {unknown}", ""
        text = f"{field + ': ' if field else ''}{' '.join(first['msg'].removeprefix('Value error, ').split())}"
        raise ValueError(f"{name}: {text if len(text) < 300 else text[:300] + '...'}{ending}{rest}") from None
    except ArithmeticError as error:
        raise ValueError(f"{name} has numbers beyond all measure: {error}") from None


def _fields(adapter: TypeAdapter[Any], place: Sequence[str | int]) -> list[str]:
    """The names of the fields of the object at that place of a document."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of defaults that JSON cannot hold, which are not asked for
        schema = adapter.json_schema()

    def resolved(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        yield node
        for choice in node.get("anyOf", node.get("oneOf", ())):
            yield from resolved(choice)

    def inside(node: dict[str, Any], part: str | int) -> Iterator[dict[str, Any]]:
        if isinstance(part, int):
            found = [node.get("items"), *node.get("prefixItems", [])[part : part + 1]]
        else:
            tag = node.get("discriminator", {}).get("mapping", {}).get(part)  # a choice is a part of the place too
            found = [tag and {"$ref": tag}, node.get("properties", {}).get(part, node.get("additionalProperties"))]
        for each in found:
            if isinstance(each, dict):
                yield from resolved(each)

    nodes = list(resolved(schema))
    for part in place:
        nodes = [within for node in nodes for within in inside(node, part)]
    return [name for node in nodes for name in node.get("properties", ())]


def later(neutral: Any) -> Any:
    """A dataclass's field that its first documents did not have: with its default, ``neutral``, it changes nothing and is not stored."""
    return dataclasses.field(default=neutral, metadata={"later": True})


K = TypeVar("K")
V = TypeVar("V")


class Entries(dict[K, V]):
    """A mapping that stays what it is, so that what holds it is a value: it can be hashed and shared."""

    def _refuse(self, *arguments: Any, **named: Any) -> Any:
        raise TypeError("a task does not change: make another one by its with_()")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def stored(value: Any, whole: bool = False) -> Any:
    """What a document holds of a value: dataclasses as objects, without the fields of :func:`later` that are neutral unless ``whole``."""
    if dataclasses.is_dataclass(value):
        in_order = sorted(dataclasses.fields(value), key=lambda field: field.kw_only is True)
        values = {field: getattr(value, field.name) for field in in_order}
        return {
            field.name: stored(own, whole)
            for field, own in values.items()
            if whole or not (field.metadata.get("later") and own == field.default)
        }
    if isinstance(value, Mapping):
        return {name: stored(own, whole) for name, own in value.items()}
    if isinstance(value, tuple | list):
        return [stored(own, whole) for own in value]
    return value.tolist() if hasattr(value, "tolist") else value  # a number or an array of numpy


def digest(values: Mapping[str, Any]) -> str:
    """The twelve hex digits of a part of a document, whatever the order of its fields."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def check_format(
    document: Mapping[str, Any], what: str, form: str, versions: Sequence[int] = (), name: str = ""
) -> None:
    """Raise ValueError unless ``document`` says that it is of format ``form``, in one of the ``versions`` if it has any."""
    found = document.get("format")
    if found != form:
        raise ValueError(f"{name} is not {what}: its format is {shown(found)}, not {form!r}")
    version = document.get("format_version")
    if versions and not (type(version) is int and version in versions):
        raise ValueError(
            f"{name} has format version {shown(version)}, this locoenvs reads {' and '.join(map(str, versions))}: "
            "use the locoenvs that wrote it"
        )


def differences(
    actual: Any, expected: Any, where: str = "", prose: Sequence[str] = ()
) -> Iterator[tuple[str, str, str]]:
    """(field, what is there, what is expected) where two JSON values differ; of fields named in ``prose`` only the type counts."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        for key in {**expected, **actual}:
            field = f"{where}.{_label(key)}" if where else _label(key)
            if key not in actual:
                yield field, "missing", shown(expected[key])
            elif key not in expected:
                yield field, shown(actual[key]), "unknown"
            elif key not in prose or type(actual[key]) is not type(expected[key]):
                yield from differences(actual[key], expected[key], field, prose)
    elif isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        for index, pair in enumerate(zip(actual, expected)):
            yield from differences(*pair, f"{where}.{index}", prose)
    elif actual != expected or isinstance(actual, bool) != isinstance(expected, bool):
        yield where, shown(actual), shown(expected)


def _label(key: object) -> str:
    """A field's name as an error shows it."""
    text = str(key)
    return text if len(text) <= 40 and text.isprintable() else shown(text)


def shown(value: Any) -> str:
    """A value from a file as an error shows it: in one line, cut short."""
    text = _SHORT.repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
