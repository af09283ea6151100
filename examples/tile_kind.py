"""A kind of tile of your own: gaps around the middle, wider from level to level, that robots must step over."""

import dataclasses
from pathlib import Path

import gymnasium
import numpy as np

import locoenvs
from locoenvs.evidence.pictures import terrain_picture
from locoenvs.mdp.tiles import Tile
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Heights, Length


@locoenvs.tile_kind(upright=True)
def moats(tile: Tile, width: Heights = (0.1, 0.5), every: Length = 1.2, depth: Length = 0.5) -> np.ndarray:
    """Square trenches around the platform, ``width`` m wide, ``depth`` m deep, one every ``every`` m."""
    outwards = (tile.platform - tile.edge) * tile.cell  # m from the platform
    trench = (outwards - 0.3) % every < tile.at(width) - 1e-6
    return np.where(tile.free & (outwards > 0.3) & trench, -depth, 0.0)


rough = locoenvs.task("Loco/AnymalC-Rough-v0", actuator="pd")
shares = (TileShare("moats", 0.5), TileShare("stairs_up", 0.5, parameters={"riser": (0.05, 0.15)}))
task = dataclasses.replace(rough, terrain=dataclasses.replace(rough.terrain, levels=4, columns=4, shares=shares))

if __name__ == "__main__":
    env = gymnasium.make("Loco/AnymalC-Rough-v0", num_envs=16, task=task)
    env.reset(seed=0)
    print(env.step(0 * env.action_space.sample())[1])
    terrain_picture(task.terrain, Path("moats.png"))
