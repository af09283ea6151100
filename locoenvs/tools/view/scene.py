"""Draws robots, their ground and what acts on them, by viser."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from locoenvs.numerics.rotation import heading
from locoenvs.tools.view import shapes
from locoenvs.tools.view.viewer import Viewer

if TYPE_CHECKING:
    import viser

PATCH = 4.0
"""m: the side of the squares in which the ground is sent."""
AROUND = 9.0
"""m around each robot in which the ground is drawn; half as much around many."""
AT_ONCE = 2
"""Squares of the ground that are sent with one picture, so that no control step has to wait."""
FORCE = 0.5
"""m: how long the arrow of a force is that is as much as the robot weighs."""
LONGEST = 1.0
"""m: the arrow of an impact is no longer than this."""
SPEED = 0.5
"""m: how long the arrow of a velocity of 1 m/s is."""
LEAST_FORCE = 1.0
"""N: less is not drawn."""

LEVEL, STEEP_FACE = (206, 211, 216), (133, 146, 160)
FORCES, COMMAND, VELOCITY, SAMPLES = (214, 40, 40), (46, 160, 67), (31, 111, 235), (235, 130, 20)
CAMERA = (1.9, -2.2, 1.1)
"""m from the robot that is watched."""


class Scene:
    """The three-dimensional part of the page. All of it hangs on one frame, which moves against the robot that is watched."""

    def __init__(self, server: viser.ViserServer, viewer: Viewer) -> None:
        self._api, self._server, self._viewer = server.scene, server, viewer
        self.forces = self.samples = self.arrows = self.follow = True
        server.initial_camera.position = CAMERA
        server.initial_camera.look_at = (0.0, 0.0, 0.0)
        self._api.configure_default_lights(cast_shadow=True)
        self._api.configure_fog(14.0, 30.0)
        self._world = self._api.add_frame("/world", show_axes=False)
        self._center = np.zeros(3)
        self._ground: dict[tuple[int, int], list[Any]] = {}
        self._map: object = None
        self._robot: object = None
        self._parts: list[tuple[shapes.Part, Any]] = []
        self._forces = self._added("forces", FORCES)
        self._command, self._velocity = self._added("command", COMMAND), self._added("velocity", VELOCITY)
        self._samples = self._api.add_point_cloud(
            "/world/samples",
            np.zeros((1, 3)),
            SAMPLES,
            point_size=0.025,
            point_shape="circle",
            precision="float32",
            visible=False,
        )

    def _added(self, name: str, color: tuple[int, int, int]) -> Any:
        thin: dict[str, Any] = {"shaft_radius": 0.012, "head_radius": 0.03, "head_length": 0.06}
        return self._api.add_arrows(f"/world/{name}", np.array([[[0, 0, 0], [0, 0, 1]]]), color, visible=False, **thin)

    def draw(self) -> None:
        """Show the state as it is."""
        session, watched = self._viewer.session, self._viewer.watched
        readout = session.readout
        if not np.isfinite(readout.base_position).all():
            return
        with self._server.atomic():
            self._draw_ground(readout.base_position)
            places, turns = session.poses(readout)
            self._draw_robots(places, turns)
            self._draw_forces(places, readout.contact_force)
            self._draw_arrows(readout, watched)
            points = session.scan(watched) if self.samples else np.zeros((0, 3))
            self._samples.visible = len(points) > 0
            if len(points):
                self._samples.points = (points + (0, 0, 0.01)).astype(np.float32)
            if self.follow:
                self._look_at(readout.base_position[watched])

    def to_world(self, point: tuple[float, float, float]) -> np.ndarray:
        """A point (3,) m of the picture in the world frame."""
        return np.asarray(point) - self._world.position

    def _look_at(self, place: np.ndarray) -> None:
        """Move the world so that the robot stays where the camera looks; its height smoothly."""
        jump = np.linalg.norm(place - self._center) > 1.0
        self._center[:2] = place[:2]
        self._center[2] = place[2] if jump else self._center[2] + 0.1 * (place[2] - self._center[2])
        self._world.position = -self._center

    def _draw_robots(self, places: np.ndarray, turns: np.ndarray) -> None:
        robot, count = self._viewer.session.task.robot, len(places)
        if self._robot != (robot, count):
            for _, handle in self._parts:
                handle.remove()
            self._parts = [(part, self._part(part, index, count)) for index, part in enumerate(shapes.parts(robot))]
            self._robot = robot, count
        for part, handle in self._parts:
            handle.batched_positions = places[:, part.body].astype(np.float32)
            handle.batched_wxyzs = turns[:, part.body].astype(np.float32)

    def _part(self, part: shapes.Part, index: int, count: int) -> Any:
        red, green, blue = (round(255 * value) for value in part.color[:3])
        return self._api.add_batched_meshes_simple(
            f"/world/robots/{index}",
            part.vertices,
            part.faces,
            batched_wxyzs=np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)),
            batched_positions=np.zeros((count, 3)),
            batched_colors=(red, green, blue),
            opacity=part.color[3] if part.color[3] < 1 else None,
            flat_shading=True,
            lod="off",
        )

    def _draw_forces(self, places: np.ndarray, forces: np.ndarray) -> None:
        robot = self._viewer.session.task.robot
        names = [body.name for body in robot.bodies]
        bodies = [names.index(name) for name in robot.contact_bodies]
        felt = np.linalg.norm(forces, axis=-1) > LEAST_FORCE if self.forces else np.zeros(forces.shape[:2], bool)
        self._forces.visible = bool(felt.any())
        if felt.any():
            begin = places[:, bodies][felt]
            arrows = forces[felt] * (FORCE / (robot.mass * 9.81))
            arrows *= np.minimum(1.0, LONGEST / np.linalg.norm(arrows, axis=1, keepdims=True))
            self._forces.points = np.stack([begin, begin + arrows], axis=1).astype(np.float32)

    def _draw_arrows(self, readout: Any, watched: int) -> None:
        """The command and the velocity of the watched robot, above it."""
        above = readout.base_position[watched] + (0, 0, 0.45)
        angle = heading(readout.base_quaternion[watched])
        forward = np.array([np.cos(angle), np.sin(angle), 0.0])
        left = np.array([-forward[1], forward[0], 0.0])
        command, own = self._viewer.session.command[watched], readout.base_linear_velocity[watched]
        for handle, (ahead, aside), lift in ((self._command, command[:2], 0.0), (self._velocity, own[:2], 0.06)):
            shown = self.arrows and np.hypot(ahead, aside) > 0.05
            handle.visible = bool(shown)
            if shown:
                begin = above + (0, 0, lift)
                points = np.stack([begin, begin + SPEED * (ahead * forward + aside * left)])
                handle.points = points[None].astype(np.float32)

    def _draw_ground(self, places: np.ndarray) -> None:
        height_map, task = self._viewer.session.env.mdp.height_map, self._viewer.session.env.task
        new = self._map is not height_map
        if new:
            for handle in itertools.chain(*self._ground.values()):
                handle.remove()
            self._ground, self._map = {}, height_map
        if task.terrain.kind == "plane":
            if new:
                self._ground[0, 0] = [self._plane()]
            return
        around = AROUND if len(places) <= 4 else AROUND / 2
        size = max(round(PATCH / height_map.cell), 1)
        side, origin = size * height_map.cell, np.array(height_map.origin)
        rows, columns = (-(-(count - 1) // size) for count in height_map.heights.shape)
        wanted: dict[tuple[int, int], float] = {}
        for place in places:
            low, high = (np.floor((place[:2] + sign * around - origin) / side).astype(int) for sign in (-1, 1))
            for column in range(max(low[0], 0), min(high[0], columns - 1) + 1):
                for row in range(max(low[1], 0), min(high[1], rows - 1) + 1):
                    middle = origin + (np.array([column, row]) + 0.5) * side
                    far = float(np.linalg.norm(middle - place[:2]))
                    if far < around + side / 2:
                        wanted[row, column] = min(far, wanted.get((row, column), far))
        for key in [key for key in self._ground if key not in wanted]:
            for handle in self._ground.pop(key):
                handle.remove()
        missing = sorted((key for key in wanted if key not in self._ground), key=lambda key: wanted[key])
        for row, column in missing if new else missing[:AT_ONCE]:
            self._ground[row, column] = self._square(row, column, size)

    def _square(self, row: int, column: int, size: int) -> list[Any]:
        made = []
        vertices, level, steep = shapes.patch(self._viewer.session.env.mdp.height_map, row * size, column * size, size)
        for name, faces, color in (("level", level, LEVEL), ("steep", steep, STEEP_FACE)):
            if len(faces):
                at = f"/world/ground/{row}-{column}-{name}"
                made.append(self._api.add_mesh_simple(at, vertices, faces, color=color, flat_shading=True))
        return made

    def _plane(self) -> Any:
        colors: dict[str, Any] = {"plane_color": LEVEL, "cell_color": (176, 182, 190), "section_color": STEEP_FACE}
        return self._api.add_grid(
            "/world/ground/plane", infinite_grid=True, plane_opacity=1.0, fade_distance=30.0, section_size=2.0, **colors
        )
