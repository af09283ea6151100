"""The picture of a terrain shows the heights that are there, where they are."""

import sys
from pathlib import Path

import numpy as np
import pytest

from locoenvs.evidence.pictures import terrain_picture
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Terrain

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")


def test_high_ground_is_brown_on_the_right_and_low_ground_green_on_the_left(tmp_path: Path) -> None:
    shares = (TileShare("stairs_up", 0.5), TileShare("stairs_down", 0.5))
    path = tmp_path / "terrain.png"
    terrain_picture(Terrain(levels=2, columns=4, shares=shares), path)
    red, _, blue = np.moveaxis(image.imread(path)[..., :3], -1, 0)
    part = slice(0, red.shape[0] // 2), slice(0, int(red.shape[1] * 0.88))  # the view from above, without its scale
    colored = np.abs(red - blue)[part] > 0.2
    brown = np.nonzero(colored & (red > blue)[part])[1].mean()
    green = np.nonzero(colored & (red < blue)[part])[1].mean()
    assert green < 0.4 * red.shape[1] < 0.5 * red.shape[1] < brown


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="'plane' has nothing to draw"):
        terrain_picture(Terrain(kind="plane"), tmp_path / "plane.png")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        terrain_picture(Terrain(), tmp_path / "terrain.png")
    assert not list(tmp_path.iterdir())
