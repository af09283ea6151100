"""Strips show the two seconds before a fall, and the page shows them by what happened, by itself."""

from __future__ import annotations

import base64
import dataclasses
import io
import re

import falls
import numpy as np
import pytest

from locoenvs.evidence.failures import archive, strips
from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.failures.causes import alike
from locoenvs.evidence.failures.page import page
from locoenvs.evidence.failures.strips import Strip, strips_of

pytestmark = pytest.mark.xdist_group("falls-page")


@pytest.fixture(scope="module")
def fallen(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return archive.load(falls.written(tmp_path_factory.mktemp("fallen")))


def test_a_strip_is_of_the_moments_before_the_fall(fallen: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight moments, 0.28 s apart to the fall itself, of the robot asked for: where it is drawn says when."""
    pytest.importorskip("PIL")
    drawn: list[np.ndarray] = []

    def render(env: object) -> list[np.ndarray]:
        drawn.append(env.save()["physics.qpos"])  # type: ignore[attr-defined]
        return [np.full((192, 256, 3), 10 * index, np.uint8) for index in range(8)]

    monkeypatch.setattr("locoenvs.envs.vector.LocoVectorEnv.render", render)
    robots, heard = [fall.robot for fall in fallen.header.falls], []
    made = strips_of(fallen, robots, heard.append)
    assert list(made) == robots and heard[-1] == 1.0
    assert all(strip.exact and strip.picture.shape == (192, 8 * 256, 3) for strip in made.values())
    for qpos, fall in zip(drawn, fallen.header.falls):
        where = strips.again(fallen, strips.begin_of(fallen, fall.robot)).positions[:, 0]
        np.testing.assert_array_equal(qpos.astype(np.float32), where[len(where) - 1 - 14 * np.arange(7, -1, -1)])
    assert strips_of(fallen, []) == {}


def test_a_page_needs_nothing_else_and_believes_no_name(fallen: Archive) -> None:
    image = pytest.importorskip("PIL.Image")
    first, *rest = fallen.header.falls
    named = dataclasses.replace(first, kind="<script>stairs</script>")
    picture = np.zeros((192, 2048, 3), np.uint8)
    groups = alike([named, *rest])
    made = page(fallen, groups, {first.robot: Strip(picture, False)}, "a & b.json")
    assert "<script" not in made and "&lt;script&gt;stairs" in made
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", made), "no request leaves the page"
    packed = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', made)
    assert [image.open(io.BytesIO(base64.b64decode(each))).size for each in packed] == [(2048, 192)]
    assert f"locoenvs replay a &amp; b.json --robot {first.robot}" in made
    assert "The replay was not the same bit by bit" in made and "0 of 1 were the same" in made
    assert f"Not shown: robot {rest[0].robot}" in made
    assert f"{len(fallen.header.falls)} of 8 robots fell" in made
