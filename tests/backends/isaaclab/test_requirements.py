"""What is said where Isaac Lab is missing, too old, or lacks what was asked for. None of this needs Isaac Lab."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
import pytest

import locoenvs  # noqa: F401  registers the ids
from locoenvs.backends.isaaclab import requirements
from locoenvs.backends.isaaclab.requirements import Installation


def package(folder: Path, name: str, source: str = "") -> None:
    """A package of that name, as far as anyone who looks for it can tell."""
    path = folder.joinpath(*name.split("."))
    path.mkdir(parents=True)
    (path / "__init__.py").write_text(source)


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder on the path, and no Isaac Lab anywhere else."""
    names = ("isaaclab", *(name for names in requirements.MODULES.values() for name in names))
    real = requirements._is_there
    entry = "locoenvs.backends.isaaclab.backend"
    for name in [name for name in sys.modules if name == entry or name.partition(".")[0] in names]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        requirements, "_is_there", lambda name: tmp_path.joinpath(*name.split(".")).exists() and real(name)
    )
    return tmp_path


def test_without_isaac_lab_the_recipe_is_named(nothing: Path) -> None:
    with pytest.raises(ImportError, match=r"needs Isaac Lab 3.0 or 2.3.*docs/isaaclab.md"):
        gymnasium.make("Loco/AnymalC-Flat-v0", num_envs=2, backend="isaaclab")


def test_2_3_that_cannot_be_imported_without_isaac_sim_is_found(nothing: Path) -> None:
    package(nothing, "isaaclab", "import isaacsim")
    (nothing / "isaaclab-0.54.2.dist-info").mkdir()
    (nothing / "isaaclab-0.54.2.dist-info" / "METADATA").write_text("Name: isaaclab\nVersion: 0.54.2\n")
    assert requirements.find() == Installation(2, "0.54.2", ())


def test_an_old_isaac_lab_is_named_with_its_version(nothing: Path) -> None:
    package(nothing, "isaaclab", "__version__ = '0.36.0'")
    with pytest.raises(ImportError, match=r"0\.50 or newer\), found 0\.36\.0"):
        requirements.find()


def test_2_3_has_physx_alone_and_3_0_what_is_installed(nothing: Path) -> None:
    package(nothing, "isaaclab", "__version__ = '0.54.2'")
    assert requirements.find() == Installation(2, "0.54.2", ())
    with pytest.raises(ImportError, match=r"without any physics: physx lacks isaacsim\. see"):
        requirements.choose(requirements.find(), None)
    package(nothing, "isaacsim")
    assert requirements.find() == Installation(2, "0.54.2", ("physx",))
    package(nothing, "isaaclab.physics")
    for name in requirements.MODULES["newton"]:
        package(nothing, name)
    assert requirements.find() == Installation(3, "0.54.2", ("newton", "physx"))


def test_the_physics_asked_for_or_the_first() -> None:
    assert requirements.choose(Installation(3, "6.1", ("newton", "ovphysx")), None) == "newton"
    assert requirements.choose(Installation(3, "6.1", ("newton", "ovphysx")), "ovphysx") == "ovphysx"
    with pytest.raises(ValueError, match="physics='bullet': there are 'newton', 'physx', 'ovphysx'"):
        requirements.choose(Installation(3, "6.1", ("newton",)), "bullet")


def test_physics_that_is_not_installed_is_named_with_what_it_lacks(nothing: Path) -> None:
    package(nothing, "isaaclab_ovphysx")
    with pytest.raises(ImportError, match=r"'ovphysx' needs ovphysx, not installed.*Here: newton.*docs/isaaclab.md"):
        requirements.choose(Installation(3, "6.1", ("newton",)), "ovphysx")
    with pytest.raises(ImportError, match=r"'newton' needs Isaac Lab 3.0, found 2.3 \(package 0.54.2\)"):
        requirements.choose(Installation(2, "0.54.2", ("physx",)), "newton")
    with pytest.raises(ImportError, match=r"'physx' needs isaacsim, not installed"):
        requirements.choose(Installation(2, "0.54.2", ()), "physx")
    with pytest.raises(ImportError, match=r"without any physics: newton lacks isaaclab_newton, newton, mujoco_warp"):
        requirements.choose(Installation(3, "6.1", ()), None)


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert requirements.device(None) == requirements.device("cpu") == "cpu"
    with pytest.raises(ValueError, match=r"device='cuda': torch .* sees no NVIDIA GPUs here; use device='cpu'"):
        requirements.device("cuda")
    with pytest.raises(ValueError, match="device='tpu': there are 'cpu', 'cuda', 'cuda:1'"):
        requirements.device("tpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (requirements.device(None), requirements.device("cuda"), requirements.device("cuda:1")) == (
        "cuda:0",
        "cuda:0",
        "cuda:1",
    )
    with pytest.raises(ValueError, match="device='cuda:2': torch .* sees 2 NVIDIA GPUs"):
        requirements.device("cuda:2")


def test_physx_without_isaac_sim_needs_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    warp = pytest.importorskip("warp", reason="warp-lang is not installed")
    monkeypatch.setattr(warp, "is_cuda_available", lambda: False)
    requirements.check_driver("newton")
    with pytest.raises(RuntimeError, match=r"'ovphysx'.*NVIDIA driver.*physics='newton'"):
        requirements.check_driver("ovphysx")
