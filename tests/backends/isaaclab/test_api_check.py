"""Names and signatures of Isaac Lab 2.3, read from its sources: nothing of it is run here, nor can it be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from locoenvs.backends.isaaclab.api_check import Use, check, sources

WHEEL = os.environ.get("ISAACLAB_WHEEL")


@pytest.mark.skipif(
    not WHEEL,
    reason="names of 2.3 not checked: pip download isaaclab==2.3.2.post1 --no-deps, and set ISAACLAB_WHEEL to it",
)
def test_names_and_signatures_only_of_the_published_2_3_package() -> None:
    assert WHEEL is not None
    assert check(Path(WHEEL)) == []


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A package that re-exports a class with a base class elsewhere."""
    for name, source in {
        "isaaclab/__init__.py": "",
        "isaaclab/assets/__init__.py": "from .articulation import *\nfrom .base import Base as Renamed",
        "isaaclab/assets/articulation.py": (
            "from .base import Base\n"
            "class Articulation(Base):\n"
            "    joints: int = 0\n"
            "    def write(self, pose, *, env_ids=None): ...\n"
        ),
        "isaaclab/assets/base.py": "class Base:\n    @property\n    def data(self): ...\n    spawn = None",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


def test_names_are_found_through_exports_and_base_classes(fake: Path) -> None:
    use = Use("isaaclab.assets", "Articulation", ("joints", "data", "spawn"), (("write", ("pose", "env_ids")),))
    assert sources(fake).problems((use, Use("isaaclab.assets", "Renamed", ("data",)))) == []


def test_what_is_missing_is_named(fake: Path) -> None:
    uses = (
        Use("isaaclab.assets", "Articulation", ("velocity",), (("write", ("position",)), ("read", ()), ("joints", ()))),
        Use("isaaclab.assets", "Gone"),
        Use("isaaclab.gone", "Articulation"),
    )
    assert sources(fake).problems(uses) == [
        "isaaclab.assets.Articulation has no velocity",
        "isaaclab.assets.Articulation.write has no parameter position; it has ['self', 'pose', 'env_ids']",
        "isaaclab.assets.Articulation has no method read",
        "isaaclab.assets.Articulation has no method joints",
        "isaaclab.assets has no Gone",
        "isaaclab.gone has no Articulation",
    ]


def test_a_folder_without_isaac_lab(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no sources of a package isaaclab"):
        check(tmp_path)
