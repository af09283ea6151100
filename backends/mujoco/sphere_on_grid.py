"""A sphere against the ground's triangles, compiled: the rule of :mod:`locoenvs.backends.mjx.contact`, one sphere at a time.

All that is compiled stands in this one file, since the cache of compiled code is renewed when its own file changes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

SAME = math.cos(math.radians(45.0))
"""A second contact counts only where the ground faces another way: by more than 45 degrees."""

RISE = 1e-5
"""And only ground that rises out of the first contact's plane by more than this, m: the plane itself and what falls away
from it is not in the way."""

OURS = 2109.11978
"""What the user data of a ground begins with that is served here; its size and its place follow."""

TWICE = 2.0
"""What the user data of a sphere begins with that may have two contacts."""

NUM_USER = 8
"""The numbers of user data that each geom has."""

SIGNATURE = types.int32(types.intp, types.intp, types.intp, types.int32, types.int32, types.float64)
"""MuJoCo's ``mjfCollision``: model, data, the contacts to fill in, two geoms and the margin m; the number of contacts."""

MUJOCO = "locoenvs_mujoco_sphere_on_height_field"
"""The symbol that MuJoCo's own function is known by to compiled code."""


class Touch(NamedTuple):
    """Where a sphere meets the ground; ``distance`` is infinite where it does not."""

    distance: float  # m, between the surfaces, negative where they overlap
    x: float  # of the unit normal, out of the ground
    y: float
    z: float


class Offsets(NamedTuple):
    """Bytes from the beginning of MuJoCo's structs to fields of theirs, and the size of one."""

    nuser_geom: int
    geom_user: int
    geom_dataid: int
    geom_size: int
    hfield_size: int
    hfield_nrow: int
    hfield_ncol: int
    hfield_adr: int
    hfield_data: int
    geom_xpos: int
    geom_xmat: int
    contact: int


class _Nearest(NamedTuple):
    """The vector from the nearest place of the ground to the center, and its squared length."""

    square: float
    x: float
    y: float
    z: float


@njit(error_model="numpy")
def touch(
    heights: np.ndarray,
    rows: int,
    columns: int,
    cell: float,
    scale: float,
    x: float,
    y: float,
    z: float,
    radius: float,
    margin: float,
    twice: bool,
) -> tuple[Touch, Touch]:
    """The deepest contact of a sphere, and with ``twice`` another one, of the deepest place that faces another way.

    ``heights`` (rows * columns,) times ``scale`` are m; the center ``x``, ``y``, ``z`` m is relative to the first vertex, at
    height 0. Contacts count up to a distance of ``margin`` m. A sphere beside the map has none, nor has one that is nowhere.
    """
    none = Touch(math.inf, 0.0, 0.0, 1.0)
    reach = radius + max(margin, 0.0)
    if rows < 2 or columns < 2 or not abs(z) < math.inf:
        return none, none
    if not (-reach <= x <= (columns - 1) * cell + reach and -reach <= y <= (rows - 1) * cell + reach):
        return none, none
    per = 1.0 / cell
    left, right = _clipped((x - reach) * per, columns - 2), _clipped((x + reach) * per, columns - 2)
    low, high = _clipped((y - reach) * per, rows - 2), _clipped((y + reach) * per, rows - 2)
    top = heights[low * columns + left]
    for row in range(low, high + 2):
        for column in range(left, right + 2):
            height = heights[row * columns + column]
            top = height if height > top else top
    if z - reach > scale * top:
        return none, none

    column, row = _clipped(x * per, columns - 2), _clipped(y * per, rows - 2)
    facing = _plane_under(heights, columns, cell, scale, row, column, x - column * cell, y - row * cell, z)
    above = facing.distance >= 0.0
    # Above the ground only what touches counts; the nearest ground to a buried center may be farther away than it reaches.
    nearest = _Nearest(reach * reach if above else math.inf, 0.0, 0.0, 0.0)
    nearest = _near_cell(heights, columns, cell, scale, row, column, row, column, x, y, z, nearest, none)
    for r in range(low, high + 1):
        for c in range(left, right + 1):
            if r != row or c != column:
                nearest = _near_cell(heights, columns, cell, scale, r, c, high, right, x, y, z, nearest, none)
    if nearest.square >= reach * reach and above:
        return none, none
    first = _contact(nearest, radius, above, facing)
    plane = Touch(first.distance + radius - RISE, first.x, first.y, first.z)  # its distance is that from the center
    if not (twice and above) or not _rises(
        heights, columns, cell, scale, low, high, left, right, x, y, z, reach, plane
    ):
        return first, none
    nearest = _Nearest(reach * reach, 0.0, 0.0, 0.0)
    for r in range(low, high + 1):
        for c in range(left, right + 1):
            nearest = _near_cell(heights, columns, cell, scale, r, c, high, right, x, y, z, nearest, plane)
    if nearest.square >= reach * reach:
        return first, none
    return first, _contact(nearest, radius, above, first)


@njit(error_model="numpy")
def _clipped(value: float, last: int) -> int:
    """The cell that a place lies in, counted in cells; beyond the map the nearest."""
    if value >= last:
        return last
    return int(value) if value > 0.0 else 0


@njit(error_model="numpy")
def _contact(nearest: _Nearest, radius: float, above: bool, otherwise: Touch) -> Touch:
    """The contact at the end of a vector, or along the normal of ``otherwise`` where the vector has no direction."""
    length = math.sqrt(nearest.square)
    distance = (length if above else -length) - radius
    if length < 1e-5:
        return Touch(distance, otherwise.x, otherwise.y, otherwise.z)
    turned = (1.0 if above else -1.0) / length
    return Touch(distance, turned * nearest.x, turned * nearest.y, turned * nearest.z)


@njit(error_model="numpy")
def _plane_under(
    heights: np.ndarray, columns: int, cell: float, scale: float, row: int, column: int, x: float, y: float, z: float
) -> Touch:
    """How high the center is above the plane of the triangle under it, and the plane's normal; x and y from the cell."""
    place = row * columns + column
    corner, far = scale * heights[place], scale * heights[place + columns + 1]
    if x >= y:
        third = scale * heights[place + 1]
        slope_x, slope_y = (third - corner) / cell, (far - third) / cell
    else:
        third = scale * heights[place + columns]
        slope_x, slope_y = (far - third) / cell, (third - corner) / cell
    length = math.sqrt(1.0 + slope_x * slope_x + slope_y * slope_y)
    return Touch(z - corner - slope_x * x - slope_y * y, -slope_x / length, -slope_y / length, 1.0 / length)


@njit(error_model="numpy")
def _rises(
    heights: np.ndarray,
    columns: int,
    cell: float,
    scale: float,
    low: int,
    high: int,
    left: int,
    right: int,
    x: float,
    y: float,
    z: float,
    reach: float,
    plane: Touch,
) -> bool:
    """Whether any vertex is so near along the normal of ``plane`` that ground within reach could count as another contact."""
    limit = min(SAME * reach, plane.distance)
    for row in range(low, high + 2):
        for column in range(left, right + 2):
            up = z - scale * heights[row * columns + column]
            if (x - column * cell) * plane.x + (y - row * cell) * plane.y + up * plane.z < limit:
                return True
    return False


@njit(error_model="numpy")
def _near_cell(
    heights: np.ndarray,
    columns: int,
    cell: float,
    scale: float,
    row: int,
    column: int,
    last_row: int,
    last_column: int,
    x: float,
    y: float,
    z: float,
    nearest: _Nearest,
    plane: Touch,
) -> _Nearest:
    """``nearest``, or a nearer place on the triangles and edges of a cell.

    If the distance of ``plane`` is finite, a place counts only where it rises out of that and faces another way.
    The edges beyond which another cell lies are that one's, unless this is the last of its column or row.
    """
    place = row * columns + column
    corner, right = scale * heights[place], scale * heights[place + 1]
    up, far = scale * heights[place + columns], scale * heights[place + columns + 1]
    x, y = x - column * cell, y - row * cell
    aside_x, aside_y = max(-x, x - cell, 0.0), max(-y, y - cell, 0.0)
    over = max(z - max(corner, right, up, far), min(corner, right, up, far) - z, 0.0)
    if aside_x * aside_x + aside_y * aside_y + over * over >= nearest.square:
        return nearest
    for lower in (True, False):
        slope_x = (right - corner if lower else far - up) / cell
        slope_y = (far - right if lower else up - corner) / cell
        along = (z - corner - slope_x * x - slope_y * y) / (1.0 + slope_x * slope_x + slope_y * slope_y)
        at_x, at_y = x + along * slope_x, y + along * slope_y
        if min(at_x, at_y) >= 0.0 and max(at_x, at_y) <= cell and (at_x >= at_y if lower else at_x <= at_y):
            nearest = _nearer(-along * slope_x, -along * slope_y, along, nearest, plane)
    nearest = _near_edge(x, y, z - corner, cell, 0.0, right - corner, nearest, plane)
    nearest = _near_edge(x, y, z - corner, 0.0, cell, up - corner, nearest, plane)
    nearest = _near_edge(x, y, z - corner, cell, cell, far - corner, nearest, plane)
    if row == last_row:
        nearest = _near_edge(x, y - cell, z - up, cell, 0.0, far - up, nearest, plane)
    if column == last_column:
        nearest = _near_edge(x - cell, y, z - right, 0.0, cell, far - right, nearest, plane)
    return nearest


@njit(error_model="numpy")
def _near_edge(
    x: float, y: float, z: float, run_x: float, run_y: float, climb: float, nearest: _Nearest, plane: Touch
) -> _Nearest:
    """The same for an edge: the center is at x, y, z from its beginning."""
    share = (x * run_x + y * run_y + z * climb) / (run_x * run_x + run_y * run_y + climb * climb)
    share = min(max(share, 0.0), 1.0)
    return _nearer(x - share * run_x, y - share * run_y, z - share * climb, nearest, plane)


@njit(error_model="numpy")
def _nearer(x: float, y: float, z: float, nearest: _Nearest, plane: Touch) -> _Nearest:
    """The shorter of ``nearest`` and the vector x, y, z, if that counts."""
    square = x * x + y * y + z * z
    if square < nearest.square:
        along = x * plane.x + y * plane.y + z * plane.z
        if plane.distance == math.inf or along < min(SAME * math.sqrt(square), plane.distance):
            return _Nearest(square, x, y, z)
    return nearest


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """An address as a C pointer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(types.intp), code


_mujoco = types.ExternalFunction(MUJOCO, SIGNATURE)


@njit(error_model="numpy")
def _field(struct: int, offset: int) -> int:
    """The pointer in a field of a struct."""
    return carray(_pointer(struct + offset), 1, np.intp)[0]


@njit(error_model="numpy")
def _integer(struct: int, offset: int, index: int) -> int:
    """An element of the array of ints that a field points to."""
    return carray(_pointer(_field(struct, offset)), index + 1, np.int32)[index]


@njit(error_model="numpy")
def _write(output: int, contact: Touch, x: float, y: float, z: float, radius: float) -> None:
    """Fill in a ``mjPreContact``: distance, position, normal, and no tangent, which MuJoCo then chooses."""
    into = carray(_pointer(output), 10, np.float64)
    to_middle = radius + contact.distance / 2
    into[0] = contact.distance
    into[1], into[2], into[3] = x - to_middle * contact.x, y - to_middle * contact.y, z - to_middle * contact.z
    into[4], into[5], into[6] = contact.x, contact.y, contact.z
    into[7], into[8], into[9] = 0.0, 0.0, 0.0


def compiled(at: Offsets, cache: bool) -> Any:
    """The function for MuJoCo's table. It serves grounds that are marked, unmoved and of their own size; MuJoCo's serves all others."""

    def sphere_on_height_field(model: int, data: int, output: int, ground: int, sphere: int, margin: float) -> int:
        count = carray(_pointer(model + at.nuser_geom), 1, np.int64)[0]
        if count != NUM_USER:
            return _mujoco(model, data, output, ground, sphere, margin)
        user = carray(_pointer(_field(model, at.geom_user)), (ground + sphere + 1) * NUM_USER, np.float64)
        field = _integer(model, at.geom_dataid, ground)
        size = carray(_pointer(_field(model, at.hfield_size) + 32 * field), 4, np.float64)
        place = carray(_pointer(_field(data, at.geom_xpos) + 24 * ground), 3, np.float64)
        turn = carray(_pointer(_field(data, at.geom_xmat) + 72 * ground), 9, np.float64)
        ours = user[ground * NUM_USER] == OURS and turn[0] == 1.0 and turn[4] == 1.0 and turn[8] == 1.0
        for index in range(4):
            ours = ours and user[ground * NUM_USER + 1 + index] == size[index]
        for index in range(3):
            ours = ours and user[ground * NUM_USER + 5 + index] == place[index]
        if not ours:
            return _mujoco(model, data, output, ground, sphere, margin)
        rows, columns = _integer(model, at.hfield_nrow, field), _integer(model, at.hfield_ncol, field)
        first = _field(model, at.hfield_data) + 4 * _integer(model, at.hfield_adr, field)
        heights = carray(_pointer(first), rows * columns, np.float32)
        center = carray(_pointer(_field(data, at.geom_xpos) + 24 * sphere), 3, np.float64)
        radius = carray(_pointer(_field(model, at.geom_size) + 24 * sphere), 1, np.float64)[0]
        one, two = touch(
            heights, rows, columns, 2 * size[0] / (columns - 1), size[2],
            center[0] - place[0] + size[0], center[1] - place[1] + size[1], center[2] - place[2],
            radius, margin, user[sphere * NUM_USER] == TWICE,
        )  # fmt: skip
        contacts = 0
        for contact in (one, two):
            if contact.distance <= margin:
                _write(output + contacts * at.contact, contact, center[0], center[1], center[2], radius)
                contacts += 1
        return contacts

    return cfunc(SIGNATURE, cache=cache, error_model="numpy")(sphere_on_height_field)
