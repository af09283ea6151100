"""The formats of a task's document: what version 0.1.0 wrote, 1, is read as today's, 2, and keeps its hash.

Format 2 names what a task is put together from, each name with its parameters; format 1 has a field for each of them. A task's
hash is that of the oldest format that can say the same, so that a task is called what it was called before.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from locoenvs.tasks import documents

NEWEST = 2

Document = dict[str, Any]

_WEIGHTS = {
    "linear_velocity_tracking": 1.0,
    "angular_velocity_tracking": 0.5,
    "linear_velocity_penalty": -2.0,
    "angular_velocity_penalty": -0.05,
    "joint_motion": -2.5e-7,
    "joint_torques": -1e-5,
    "action_rate": -0.01,
    "collisions": -1.0,
    "feet_air_time": 1.0,
    "orientation": 0.0,
    "joint_limits": 0.0,
    "termination": 0.0,
    "single_foot": 0.0,
}
"""Format 1's weights, and what they are where a document leaves them out."""

_NOISE = {
    "linear_velocity": 0.1,
    "angular_velocity": 0.2,
    "gravity": 0.05,
    "joint_position": 0.01,
    "joint_velocity": 1.5,
    "height": 0.1,
}

_SCALES = {
    "linear_velocity_scale": 2.0,
    "angular_velocity_scale": 0.25,
    "joint_position_scale": 1.0,
    "joint_velocity_scale": 0.05,
    "height_scale": 5.0,
}

_SLOTS = {
    "base_linear_velocity": ("linear_velocity_scale", "linear_velocity"),
    "base_angular_velocity": ("angular_velocity_scale", "angular_velocity"),
    "projected_gravity": (1.0, "gravity"),
    "command_linear_velocity": ("linear_velocity_scale", 0.0),
    "command_yaw_rate": ("angular_velocity_scale", 0.0),
    "joint_position": ("joint_position_scale", "joint_position"),
    "joint_velocity": ("joint_velocity_scale", "joint_velocity"),
    "last_action": (1.0, 0.0),
    "heights": ("height_scale", "height"),
}
"""What format 1 has of each slot: its scale and its noise, the name of a field or a number that was always the same."""

_TILES = {
    "flat": {},
    "slope_up": {"slope": "slope"},
    "slope_down": {"slope": "slope"},
    "rough": {"roughness": "roughness"},
    "rough_slope_up": {"slope": "slope", "roughness": "roughness"},
    "rough_slope_down": {"slope": "slope", "roughness": "roughness"},
    "obstacles": {"height": "obstacle_height"},
    "stairs_up": {"riser": "stairs_riser", "tread": "stairs_tread"},
    "stairs_down": {"riser": "stairs_riser", "tread": "stairs_tread"},
}
"""Parameter -> the field of format 1, for each kind of tile that it has."""

_SHARES = (
    ("flat", 0.2),
    ("slope_up", 0.1),
    ("slope_down", 0.1),
    ("rough", 0.2),
    ("obstacles", 0.2),
    ("stairs_up", 0.1),
    ("stairs_down", 0.1),
)
"""Format 1's map where a document says nothing of it."""

_UNUSED = {
    "slope": [0.0, 0.4663076581549986],
    "roughness": [0.0, 0.1],
    "obstacle_height": [0.05, 0.2],
    "stairs_riser": [0.05, 0.2],
    "stairs_tread": 0.3,
}
"""What format 1 says of kinds of tile that a map does not have."""

PARAMETERS = {
    "tracking_width": (("linear_velocity_tracking", "width"), ("angular_velocity_tracking", "width")),
    "air_time_target": (("feet_air_time", "target"),),
    "air_time_minimum_command": (("feet_air_time", "minimum_command"),),
    "soft_limit": (("joint_limits", "soft_limit"),),
    "collision_force": (("collisions", "force"),),
    "stumble_ratio": (("collisions", "stumble_ratio"),),
}
"""A field of format 1's rewards -> the terms whose parameters it is."""


class _Inexpressible(Exception):
    """Format 1 cannot say it."""


def upgraded(document: Mapping[str, Any], name: str = "the task") -> Document:
    """A task's document of any format as one of the newest. Raises ValueError for one of a format to come.

    What does not look like a task is left as it is, for its schema to refuse.
    """
    version = document.get("format_version", 1)
    if type(version) is not int or not 1 <= version <= NEWEST:
        raise ValueError(
            f"format_version {documents.shown(version)} of {name}, this locoenvs reads up to {NEWEST}: use the locoenvs that wrote it"
        )
    if version == NEWEST:
        return dict(document)
    converted = copy.deepcopy(dict(document))
    for part, upgrade in (
        ("rewards", _rewards),
        ("terrain", _terrain),
        ("observations", _observations),
        ("terminations", _terminations),
    ):
        if isinstance(converted.get(part), dict):
            try:
                converted[part] = upgrade(converted[part])
            except (TypeError, AttributeError, LookupError):
                said = documents.shown(document[part])
                raise ValueError(f"{name}: {part} is not what a task of format 1 has there, got {said}") from None
    return {**converted, "format_version": NEWEST}


def with_task(document: Mapping[str, Any], name: str) -> Document:
    """A document that holds a task, with the task in the newest format."""
    task = document.get("task")
    return {**document, "task": upgraded(task, name)} if isinstance(task, dict) else dict(document)


def oldest(document: Mapping[str, Any]) -> Document:
    """The document of the oldest format that says what ``document``, of any, says."""
    if document.get("format_version", 1) == 1:
        return dict(document)
    converted = copy.deepcopy(dict(document))
    del converted["format_version"]
    try:
        for part, downgrade in (
            ("rewards", _rewards_before),
            ("terrain", _terrain_before),
            ("observations", _observations_before),
            ("terminations", _terminations_before),
        ):
            converted[part] = downgrade(converted[part])
        same = upgraded(converted) == document
    except (_Inexpressible, LookupError, TypeError, AttributeError):
        same = False
    return converted if same else dict(document)


def _entry(parameters: Document, **fields: Any) -> Document:
    return {**fields, **({"parameters": parameters} if parameters else {}), "version": 1}


def _the_one(values: list[Any]) -> Any:
    """What all of ``values`` are. Format 1 has one field for them."""
    if any(value != values[0] for value in values):
        raise _Inexpressible
    return values[0]


def _rewards(old: Document) -> Document:
    weights = {**_WEIGHTS, **old.pop("weights", {})}
    parameters: dict[str, Document] = {name: {} for name in weights}
    for field, places in PARAMETERS.items():
        if field in old:
            value = old.pop(field)
            for term, parameter in places:
                parameters.setdefault(term, {})[parameter] = value
    terms = {name: _entry(parameters[name], weight=weight) for name, weight in weights.items()}
    return {"terms": terms, **old}


def _rewards_before(new: Document) -> Document:
    terms = new.pop("terms")
    fields = {
        field: _the_one([terms[term]["parameters"][parameter] for term, parameter in places])
        for field, places in PARAMETERS.items()
    }
    return {"weights": {name: terms[name]["weight"] for name in _WEIGHTS}, **fields, **new}


def _terrain(old: Document) -> Document:
    fields = {field: old.pop(field) for field in _UNUSED if field in old}
    old.setdefault("shares", [{"kind": kind, "share": share} for kind, share in _SHARES])
    for index, share in enumerate(old.get("shares", ())):
        wanted = _TILES.get(share["kind"], {}) if isinstance(share, dict) and "kind" in share else {}
        if isinstance(share, dict):
            given = {parameter: fields[field] for parameter, field in wanted.items() if field in fields}
            old["shares"][index] = _entry(given, **share)
    return old


def _terrain_before(new: Document) -> Document:
    fields: dict[str, list[Any]] = {field: [] for field in _UNUSED}
    for index, share in enumerate(new["shares"]):
        for parameter, field in _TILES[share["kind"]].items():
            fields[field].append(share["parameters"][parameter])
        new["shares"][index] = {"kind": share["kind"], "share": share["share"]}
    return {**new, **{field: _the_one(values or [_UNUSED[field]]) for field, values in fields.items()}}


def _observations(old: Document) -> Document:
    heights, noise = old.pop("heights", {}), old.pop("noise", {})
    scales = {name: old.pop(name, value) for name, value in _SCALES.items()}
    widths = None if noise is None else {**_NOISE, **noise}
    if not (heights is None or isinstance(heights, dict)) or {*(noise or {})} - {*_NOISE}:
        raise TypeError
    slots = []
    for name, (scale, width) in _SLOTS.items():
        if name == "heights" and heights is None:
            continue
        slot = {"name": name, "scale": scales[scale] if isinstance(scale, str) else scale}
        slot["noise"] = None if widths is None else widths[width] if isinstance(width, str) else width
        slots.append(_entry(heights if name == "heights" and heights else {}, **slot))
    return {"slots": slots, **old}


def _observations_before(new: Document) -> Document:
    slots = {slot["name"]: slot for slot in new.pop("slots")}
    fields: dict[str, list[Any]] = {}
    noise: dict[str, Any] = {}
    silent = all(slot["noise"] is None for slot in slots.values())
    if not silent and any(slot["noise"] is None for slot in slots.values()):
        raise _Inexpressible
    for name, (scale, width) in _SLOTS.items():
        if name in slots and isinstance(scale, str):
            fields.setdefault(scale, []).append(slots[name]["scale"])
        if isinstance(width, str):
            noise[width] = slots[name]["noise"] if name in slots else _NOISE[width]
    return {
        "heights": slots["heights"]["parameters"] if "heights" in slots else None,
        "noise": None if silent else noise,
        **{field: _the_one(values) for field, values in fields.items()},
        **({} if "heights" in slots else {"height_scale": _SCALES["height_scale"]}),
        **new,
    }


def _terminations(old: Document) -> Document:
    force = {"force": old.pop("contact_force")} if "contact_force" in old else {}
    return {"base_contact": _entry(force), **old}


def _terminations_before(new: Document) -> Document:
    force = new.pop("base_contact")["parameters"]["force"]
    if new:
        raise _Inexpressible
    return {"contact_force": force}
