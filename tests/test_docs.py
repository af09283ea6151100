"""The scripts of the learners' pages run, made small, and the YAML is what the code makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from programs import run_here

PAGES = Path(__file__).parents[1] / "docs" / "learners"
NEEDS = {
    "README": "stable_baselines3",
    "rsl_rl": "rsl_rl",
    "skrl": "skrl",
    "sb3": "stable_baselines3",
    "rl_games": "rl_games",
    "brax": "brax",
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (PAGES / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)


def test_every_page_is_known_here_and_named_in_the_index() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(NEEDS)
    index = (PAGES / "README.md").read_text()
    assert all(f"]({page}.md)" in index for page in NEEDS if page != "README")


def small(script: str) -> str:
    script = re.sub(r"num_envs=\d+", "num_envs=8", script)
    script = re.sub(r"ROBOTS, UPDATES = \d+, \d+", "ROBOTS, UPDATES = 8, 1", script)
    return re.sub(r"hidden=\([\d, ]+\)", "hidden=(8,)", script).replace("updates=2", "updates=1")


@pytest.mark.parametrize("library", dict.fromkeys(NEEDS.values()))
def test_scripts_run(library: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip(library)
    scripts = [script for page in NEEDS if NEEDS[page] == library for script in blocks(page, "python")]
    assert all("from locoenvs" in script for script in scripts), "each knows our environments by itself"
    if any(".with_jax" in script for script in scripts):
        pytest.importorskip("flax")
    for index, script in enumerate(scripts):
        (place := tmp_path / f"script_{index}.py").write_text(small(script))
        run_here(place, tmp_path)


def test_the_yaml_is_the_papers_ppo() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("rl_games")
    import yaml

    from locoenvs.wrappers.ppo import PPOConfig
    from locoenvs.wrappers.rl_games import rl_games_config

    (page,) = blocks("rl_games", "yaml")
    made = rl_games_config(PPOConfig(updates=300, hidden=(128, 64, 32)), "Loco/AnymalC-Flat-v0")
    assert yaml.safe_load(page) == made
