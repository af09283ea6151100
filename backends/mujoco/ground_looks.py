"""How uneven ground looks in pictures: a texture made of its heights, so that stairs read as stairs.

The light of a scene tells a tread and the face of a step apart only from some directions, and the corners of steps, where the two
triangles of a cell lie in different planes, gleam. So the shade of each triangle is drawn into the texture.
"""

from __future__ import annotations

import mujoco
import numpy as np

from locoenvs.mdp.terrain import HeightMap

NAME = "heights"
"""Of the texture, and of the material that shows it."""

PIXELS = 6
"""Of the texture along a side of a cell, where there is room for so many."""

LARGEST = 4096
"""Pixels along a side of a texture: what every graphics library takes."""

LEVEL, STEEP = np.array([0.80, 0.80, 0.78]), np.array([0.36, 0.40, 0.46])
"""The color of level ground, and of a face that is a step's."""

STEEPEST = 1.5
"""Rise over run of a face that is drawn as the steepest: a little less than that of a step of 0.15 m in one cell of 0.1 m."""

SUN = np.array([0.45, -0.7])
"""Slopes that rise towards there are lighter, the others darker."""

EDGE, RIM = 0.7, 0.55
"""Ground that rises by more than this along its run is a step's face, beside whose edges level ground is darker by this factor."""

LINES = 1.0
"""Distance of the thin lines that show how far a robot walks, m."""


def dress(spec: mujoco.MjSpec, height_map: HeightMap, part: tuple[int, int]) -> None:
    """Give the uneven ground of ``spec`` its texture, if it is not too large for one.

    Where ``part`` (rows, columns) is less than all heights, that is how large a part will be shown by :func:`redress`: its texture is blank.
    """
    pixels = pixels_for(*part)
    if pixels == 0:
        return
    if part == height_map.heights.shape:
        picture = texture(height_map.heights, height_map.cell, pixels)
    else:
        picture = np.zeros(((part[0] - 1) * pixels, (part[1] - 1) * pixels, 3), np.uint8)
    made = spec.add_texture(name=NAME, type=mujoco.mjtTexture.mjTEXTURE_2D)
    made.height, made.width, made.nchannel = picture.shape
    made.data = picture.tobytes()
    material = spec.add_material(name=NAME, texrepeat=[1, 1], texuniform=False, specular=0.0, reflectance=0.0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = NAME
    spec.geom("ground").material = NAME


def redress(model: mujoco.MjModel, heights: np.ndarray, cell: float, first: tuple[int, int]) -> None:
    """Have the texture of a ground that was dressed show other ``heights`` (rows, columns), m, which are no more than it had."""
    if (index := texture_of(model)) < 0:
        return
    begin = int(model.tex_adr[index])
    room = (int(model.tex_adr[index + 1]) if index + 1 < model.ntex else model.ntexdata) - begin
    cells = (heights.shape[0] - 1) * (heights.shape[1] - 1)
    pixels = min(pixels_for(*heights.shape), int((room / 3 / cells) ** 0.5))
    picture = texture(heights, cell, pixels, first)
    model.tex_height[index], model.tex_width[index] = picture.shape[:2]
    model.tex_data[begin : begin + picture.size] = picture.reshape(-1)


def texture_of(model: mujoco.MjModel) -> int:
    """The number of the ground's texture of heights; -1 where there is none."""
    return int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXTURE, NAME))


def pixels_for(rows: int, columns: int) -> int:
    """How many pixels a cell's side has in a texture of ground of so many heights; 0 if there is no room for one."""
    return min(PIXELS, LARGEST // max(rows - 1, columns - 1))


def texture(heights: np.ndarray, cell: float, pixels: int, first: tuple[int, int] = (0, 0)) -> np.ndarray:
    """The picture ((rows - 1) * pixels, (columns - 1) * pixels, 3) uint8 of heights (rows, columns), m, seen from above, y upwards.

    Row i of ``heights`` is at y = i * ``cell``, and each cell is split by the diagonal from its first to its last corner. ``first``
    is the place of the first height in the grid that lines are counted in, (row, column).
    """
    low, high = heights[:-1], heights[1:]
    a, b, c, d = low[:, :-1], low[:, 1:], high[:, :-1], high[:, 1:]
    below = np.stack([b - a, d - b], axis=-1) / cell  # the triangle at the side of x: its slope along x and y
    above = np.stack([d - c, c - a], axis=-1) / cell
    place = (np.arange(pixels) + 0.5) / pixels
    is_above = (place[:, None] > place[None, :])[None, :, None, :, None]  # (1, pixels along y, 1, pixels along x, 1)
    colors = [_color(slope)[:, None, :, None, :] for slope in (below, above)]
    rows, columns = a.shape
    picture = np.where(is_above, colors[1], colors[0]).reshape(rows * pixels, columns * pixels, 3)
    _draw_lines(picture, cell, pixels, first)
    _draw_edges(picture, np.maximum(*(np.linalg.norm(slope, axis=-1) for slope in (below, above))) > EDGE, pixels)
    return (255 * np.clip(picture[::-1], 0.0, 1.0)).astype(np.uint8)


def _color(slope: np.ndarray) -> np.ndarray:
    """The color (..., 3) of triangles whose rise over run along x and y is ``slope`` (..., 2)."""
    steep = np.clip(np.linalg.norm(slope, axis=-1) / STEEPEST, 0.0, 1.0)[..., None]
    lit = np.clip(slope @ SUN, -1.0, 1.0)[..., None]
    return ((1 - steep) * LEVEL + steep * STEEP * (1 - 0.35 * lit)).astype(np.float32)


def _draw_lines(picture: np.ndarray, cell: float, pixels: int, first: tuple[int, int]) -> None:
    between = max(round(LINES / cell), 1)
    for axis in (0, 1):
        count = picture.shape[axis] // pixels
        at = pixels * np.flatnonzero((np.arange(count) + first[axis]) % between == 0)
        thin = (at, slice(None)) if axis == 0 else (slice(None), at)
        picture[thin] *= 0.82


def _draw_edges(picture: np.ndarray, steep: np.ndarray, pixels: int) -> None:
    """Darken the rim of what is not ``steep`` (rows, columns) of cells beside what is: the edges of steps, seen from above too."""
    cells = picture.reshape(steep.shape[0], pixels, steep.shape[1], pixels, 3)
    flat = ~steep
    cells[:-1, -1][flat[:-1] & steep[1:]] *= RIM
    cells[1:, 0][flat[1:] & steep[:-1]] *= RIM
    across = cells.transpose(2, 3, 0, 1, 4)  # columns of cells first; shares the memory
    across[:-1, -1][(flat[:, :-1] & steep[:, 1:]).T] *= RIM
    across[1:, 0][(flat[:, 1:] & steep[:, :-1]).T] *= RIM
