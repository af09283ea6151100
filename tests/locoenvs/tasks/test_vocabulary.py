"""The words of a task: who may register one, what its signature says, and what is told of one that is not here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any, Literal

import array_api_compat.numpy as xp
import numpy as np
import pytest
from pydantic import Field

from fake import BIPED
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.draws import Draw
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.rewards import Step
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.terrain import build
from locoenvs.mdp.tiles import Tile
from locoenvs.numerics.arrays import Array
from locoenvs.tasks import vocabulary
from locoenvs.tasks.entries import Entry, SlotSpec, Term, TileShare
from locoenvs.tasks.robot import NonNegative, Positive, Robot
from locoenvs.tasks.task import Observations, Randomization, Rewards, Task, Terrain
from locoenvs.tasks.vocabulary import (
    OBSERVATION_SLOTS,
    RANDOMIZATIONS,
    REWARD_TERMS,
    TERMINATIONS,
    TILE_KINDS,
    RewardTerm,
    Vocabulary,
    observation_slot,
    randomization,
    reward_term,
    termination,
    tile_kind,
)

PACKAGE = __name__.partition(".")[0]
PLANE = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None))
VOCABULARIES: tuple[Vocabulary[Any], ...] = (REWARD_TERMS, OBSERVATION_SLOTS, TILE_KINDS, TERMINATIONS, RANDOMIZATIONS)

Count = Annotated[int, Field(ge=1, le=9)]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = [set(words) for words in VOCABULARIES]
    yield
    for words, names in zip(VOCABULARIES, before, strict=True):
        for name in set(words) - names:
            words.remove(name)
        assert set(words) == names


def bounce(s: Step, height: Positive = 0.1, times: Count = 2, both: bool = False, style: str = "soft") -> Array:
    """How high the base bounces,
    in m.

    More about it.
    """
    return s.air_time[:, 0] * height * times


def register_bounce(version: int = 1) -> None:
    reward_term(version=version)(bounce)


def test_a_decorator_registers_a_function_of_each_kind() -> None:
    def counted(robot: Robot, each: int) -> int:
        return each * len(robot.feet)

    @reward_term(after_clip=True, version=3)
    def stumble(s: Step) -> Array:
        """Whether it stumbles."""
        return s.air_time[:, 0]

    @observation_slot(unit="N", size=counted, mirror=None)
    def foot_force(mdp: Mdp, episodes: Episodes, each: int = 2) -> Array:
        """force on each foot"""
        return episodes.readout.contact_force

    @tile_kind(upright=True)
    def poles(tile: Tile, height: NonNegative = 0.3) -> np.ndarray:
        """Poles ``height`` m high."""
        return tile.edge * 0.0

    @termination()
    def asleep(s: Step) -> Array:
        """It does not move."""
        return s.terminated

    @randomization("drive", quantities=("strength",), version=2)
    def tired(draw: Draw, mdp: Mdp, factor: Positive = 0.9) -> dict[str, Array]:
        """The torque of each motor times ``factor``."""
        return {"strength": draw.uniform((1,), (factor, factor))}

    term, slot = REWARD_TERMS["stumble"], OBSERVATION_SLOTS["foot_force"]
    assert (term.function, term.after_clip, term.version, term.package) == (stumble, True, 3, PACKAGE)
    assert (slot.function, slot.unit, slot.size, slot.mirror, slot.version) == (foot_force, "N", counted, None, 1)
    assert TILE_KINDS["poles"].function is poles and TILE_KINDS["poles"].upright
    assert TERMINATIONS["asleep"].function is asleep
    drawn = RANDOMIZATIONS["tired"]
    assert (drawn.function, drawn.stage, drawn.quantities, drawn.version) == (tired, "drive", ("strength",), 2)
    for words, name in zip(VOCABULARIES, ("stumble", "foot_force", "poles", "asleep", "tired"), strict=True):
        assert list(words)[-1] == name and words.find(name) is words.words()[name]


def test_ours_come_first_and_know_what_they_are() -> None:
    first = ("linear_velocity_tracking", "base_linear_velocity", "flat", "base_contact", "link_mass")
    for words, name in zip(VOCABULARIES, first, strict=True):
        assert next(iter(words)) == name
        for word in words.words().values():
            assert (word.package, word.version, word.name) == ("locoenvs", 1, word.function.__name__)
            assert word.meaning and "\n" not in word.meaning
    assert REWARD_TERMS["termination"].after_clip and not REWARD_TERMS["action_rate"].after_clip
    assert {name for name, kind in TILE_KINDS.words().items() if kind.upright} == {
        "obstacles",
        "stairs_up",
        "stairs_down",
        "curbs",
        "gaps",
        "stepping_stones",
        "turned_stairs_up",
        "turned_stairs_down",
    }


def test_a_meaning_is_the_first_paragraph_in_one_line() -> None:
    register_bounce()
    assert REWARD_TERMS["bounce"].meaning == "How high the base bounces, in m."


def test_a_name_that_is_taken_is_refused() -> None:
    def other() -> None:
        @reward_term()
        def bounce(s: Step) -> Array:
            """Another one."""
            return s.air_time

    register_bounce()
    with pytest.raises(
        ValueError, match=f"^reward term 'bounce' of '{PACKAGE}' is taken by '{PACKAGE}': choose another"
    ):
        other()

    def action_rate(s: Step) -> Array:
        """Ours, or so it says."""
        return s.air_time

    with pytest.raises(ValueError, match=f"^reward term 'action_rate' of '{PACKAGE}' is taken by 'locoenvs'"):
        reward_term()(action_rate)
    assert REWARD_TERMS["action_rate"].package == "locoenvs" and REWARD_TERMS["bounce"].function is bounce

    def link_mass(draw: Draw, mdp: Mdp) -> dict[str, Array]:
        """Ours, or so it says."""
        return {}

    with pytest.raises(ValueError, match=f"^randomization 'link_mass' of '{PACKAGE}' is taken by 'locoenvs'"):
        randomization("physics")(link_mass)


def test_the_same_function_again_replaces_the_one_before() -> None:
    """As in a notebook's cell that is run twice."""

    def cell(version: int) -> None:
        @reward_term(version=version)
        def hop(s: Step, height: Positive = 0.1 * version) -> Array:
            """How high it hops, m."""
            return s.air_time

    for version in (1, 2):
        cell(version)
        assert REWARD_TERMS["hop"].version == version
        assert REWARD_TERMS["hop"].parameters({}) == {"height": 0.1 * version}
    assert list(REWARD_TERMS).count("hop") == 1
    cell(1)
    task = PLANE.with_({"rewards.terms.hop": Term(1.0)})
    cell(2)
    with pytest.raises(ValueError, match="version 1 of reward term 'hop' is asked for, tests? has version 2"):
        Task.from_json(task.to_json())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RewardTerm("foot-clearance", bounce), "'foot-clearance' cannot be a name in a task: use letters, digits"),
        (lambda: RewardTerm("2nd", bounce), "'2nd' cannot be a name"),
        (lambda: RewardTerm("", bounce), "'' cannot be a name"),
        (lambda: RewardTerm("rewards.terms", bounce), "'rewards.terms' cannot be a name"),
        (lambda: register_bounce(version=0), "version 0 of 'bounce' must be a whole number from 1"),
        (lambda: register_bounce(version=True), "version True of 'bounce' must be a whole number from 1"),
        (lambda: register_bounce(version=1.5), "version 1.5 of 'bounce' must be a whole number from 1"),  # type: ignore[arg-type]
        (lambda: reward_term()(lambda s: s.air_time), "'<lambda>' cannot be a name"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_word_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_word_must_say_what_it_is() -> None:
    def silent(s: Step) -> Array:
        return s.air_time

    for register in (
        reward_term(),
        termination(),
        tile_kind(),
        observation_slot(unit="1", size=1),
        randomization("lag"),
    ):
        with pytest.raises(ValueError, match="'silent' has no docstring: say what it is, with its unit"):
            register(silent)


def test_parameters_are_those_of_the_signature_with_its_types_and_defaults() -> None:
    register_bounce()
    word = REWARD_TERMS["bounce"]
    assert word.parameters({}) == {"height": 0.1, "times": 2, "both": False, "style": "soft"}
    given = word.parameters({"style": "hard", "height": 1, "both": True})
    assert given == {"height": 1.0, "times": 2, "both": True, "style": "hard"}
    assert list(given) == ["height", "times", "both", "style"] and type(given["height"]) is float
    assert REWARD_TERMS["action_rate"].parameters({}) == {}
    assert TILE_KINDS["stairs_up"].parameters({"riser": [0.1, 0.1]}) == {"riser": (0.1, 0.1), "tread": 0.3}
    assert OBSERVATION_SLOTS["heights"].parameters({})["rows"] == 12


def test_parameters_may_be_texts_choices_pairs_and_nothing() -> None:
    @reward_term()
    def gait(
        s: Step,
        name: Literal["trot", "pace"] = "trot",
        phase: tuple[float, float] = (0.0, 0.5),
        period: float | None = None,
    ) -> Array:
        """How far from a gait, 1."""
        return s.air_time

    task = PLANE.with_({"rewards.terms.gait": Term(1.0, parameters={"name": "pace", "phase": (0, 1)})})
    assert task.rewards.terms["gait"].parameters == {"name": "pace", "phase": (0.0, 1.0), "period": None}
    assert Task.from_json(task.to_json()) == task and hash(task) == hash(Task.from_json(task.to_json()))
    with pytest.raises(ValueError, match="rewards.terms.gait: name: Input should be 'trot' or 'pace', got 'walk'"):
        task.with_({"rewards.terms.gait.parameters.name": "walk"})
    with pytest.raises(ValueError, match="rewards.terms.gait: phase"):
        task.with_({"rewards.terms.gait.parameters.phase": (0, 1, 2)})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hight": 0.1}, "unknown parameter of here 'hight'; did you mean 'height'[?] There are: both, height, style, times"),
        ({"s": 1}, "unknown parameter of here 's'"),
        ({"height": "high"}, "here: height: Input should be a valid number, got 'high'"),
        ({"height": True}, "here: height: Input should be a valid number, got True"),
        ({"height": None}, "here: height: Input should be a valid number, got None"),
        ({"height": -0.1}, "here: height: Input should be greater than 0, got -0.1"),
        ({"height": float("nan")}, "here: height"),
        ({"times": 2.5}, "here: times: Input should be a valid integer"),
        ({"times": 10}, "here: times: Input should be less than or equal to 9, got 10"),
        ({"both": 1}, "here: both: Input should be a valid boolean, got 1"),
        ({"style": 1}, "here: style: Input should be a valid string, got 1"),
    ],
)  # fmt: skip
def test_a_parameter_that_does_not_fit_is_refused(given: dict[str, Any], message: str) -> None:
    register_bounce()
    with pytest.raises(ValueError, match=f"^{message}"):
        REWARD_TERMS["bounce"].parameters(given, "here")
    with pytest.raises(ValueError, match="rewards.terms.bounce[^a-z]"):
        PLANE.with_({"rewards.terms.bounce": {"weight": 1.0, "parameters": given}})


def test_an_unknown_word_is_told_with_the_nearest() -> None:
    for words, near, name in zip(VOCABULARIES, ("acton_rate", "height", "stair_up", "base_contct", "lnk_mass"),
                                 ("action_rate", "heights", "stairs_up", "base_contact", "link_mass"), strict=True):  # fmt: skip
        assert words.find(near) is None
        with pytest.raises(ValueError, match=f"^unknown {words.kind} '{near}'; did you mean '{name}'[?] There are: "):
            words[near]


def with_entry(where: str, name: str, **more: Any) -> Task:
    """A task that names one word there."""
    made: dict[str, Any] = {
        "rewards.terms": lambda: {"rewards": Rewards({name: Term(1.0, **more)})},
        "observations.slots": lambda: {"observations": Observations((SlotSpec(name, **more),))},
        "terrain.shares": lambda: {"terrain": Terrain(shares=(TileShare(name, 1.0, **more),))},
        "terminations": lambda: {"terminations": {name: Entry(**more)}},
        "randomization.terms": lambda: {"randomization": Randomization(terms={name: Entry(**more)})},
    }[where]()
    return Task(BIPED, **made)


def entry_of(task: Task, where: str) -> Entry:
    """What :func:`with_entry` put there, in the task."""
    entries: Any = task
    for field in where.split("."):
        entries = getattr(entries, field)
    (entry,) = entries.values() if isinstance(entries, dict) else entries
    return entry


KNOWN = {
    "rewards.terms": "collisions",
    "observations.slots": "heights",
    "terrain.shares": "stairs_up",
    "terminations": "base_contact",
    "randomization.terms": "link_mass",
}
"""Where a task names its words, and one of ours for each."""

everywhere = pytest.mark.parametrize("where", KNOWN)


@everywhere
def test_one_of_ours_that_there_is_not_is_refused(where: str) -> None:
    with pytest.raises(ValueError, match=f"{where}.not_here: unknown .* 'not_here'"):
        with_entry(where, "not_here")


@everywhere
def test_one_of_another_package_is_read_and_not_made(where: str) -> None:
    """And says of which package it is; its numbers are kept as they are."""
    given = {"share": 0.5, "own": (1.0, 2.0), "name": "x", "on": True, "none": None, "count": 3}
    task = with_entry(where, "not_here", package="their_words", version=4, parameters=given)
    entry = entry_of(task, where)
    assert (entry.package, entry.version, entry.parameters) == ("their_words", 4, given)
    again = Task.from_json(task.to_json())
    assert again == task and again.hash == task.hash
    message = "'not_here' is of package 'their_words', which is not here: install it, or import what registers it"
    assert len(task.missing()) == 1 and message in task.missing()[0]
    with pytest.raises(ValueError, match=message):
        prepare(task, build(Terrain(kind="plane")), xp)
    with pytest.raises(ValueError, match=message):
        LocoVectorEnv(task, 1, backend="mujoco")


@everywhere
def test_what_is_left_out_is_todays(where: str) -> None:
    task = with_entry(where, KNOWN[where])
    entry, words = entry_of(task, where), VOCABULARIES[list(KNOWN).index(where)]
    assert (entry.package, entry.version) == ("locoenvs", 1) and not task.missing()
    assert entry.parameters == words[KNOWN[where]].parameters({})
    assert task == with_entry(where, KNOWN[where], version=1, package="locoenvs", parameters=dict(entry.parameters))


@everywhere
@pytest.mark.parametrize("version", [2, 10**9])
def test_another_version_is_refused(where: str, version: int) -> None:
    message = (
        f"{where}.*: version {version} of .* '{KNOWN[where]}' is asked for, locoenvs has version 1, another formula"
    )
    with pytest.raises(ValueError, match=message):
        with_entry(where, KNOWN[where], version=version)


@everywhere
def test_another_package_than_the_one_that_registered_it_is_refused(where: str) -> None:
    with pytest.raises(ValueError, match=f"'{KNOWN[where]}' is of package 'their_words' there, of 'locoenvs' here"):
        with_entry(where, KNOWN[where], package="their_words")


def test_what_is_not_computed_need_not_be_here() -> None:
    """A term without weight, and the tiles of a plane."""
    terms = {"mine": Term(0.0, package="others"), "action_rate": Term(-1.0)}
    ground = Terrain(kind="plane", shares=(TileShare("moats", 1.0, package="others"),))
    task = Task(BIPED, rewards=Rewards(terms), terrain=ground, observations=Observations.paper(heights=None))
    assert not task.missing()
    assert list(prepare(task, build(task.terrain), xp).reward_terms) == ["action_rate"]


def test_a_word_of_somebody_is_said_to_be_theirs() -> None:
    """Whoever reads the task's document knows what to install."""
    register_bounce()
    task = PLANE.with_({"rewards.terms.bounce.weight": 1.0})
    document = json.loads(task.to_json())["rewards"]["terms"]
    assert (document["bounce"]["package"], document["bounce"]["version"]) == (PACKAGE, 1)
    assert "package" not in document["action_rate"], "ours are as they were"
    REWARD_TERMS.remove("bounce")
    assert task.missing() == [
        f"reward term 'bounce' is of package '{PACKAGE}', which is not here: install it, or import what registers it"
    ]
    assert Task.from_json(task.to_json()) == task
    register_bounce()
    assert not Task.from_json(task.to_json()).missing()


def test_a_newer_version_of_a_word_refuses_tasks_of_the_one_before() -> None:
    register_bounce()
    task = PLANE.with_({"rewards.terms.bounce.weight": 1.0})
    register_bounce(version=2)
    assert PLANE.with_({"rewards.terms.bounce.weight": 1.0}).rewards.terms["bounce"].version == 2
    with pytest.raises(
        ValueError, match=f"rewards.terms.bounce: version 1 of reward term 'bounce' .*{PACKAGE} has version 2, another"
    ):
        Task.from_json(task.to_json())


PLUGIN = '''
from locoenvs.tasks.vocabulary import reward_term

@reward_term()
def swing(s, height: float = 0.2):
    """How high feet swing, m."""
    return s.air_time[:, 0]
'''


def test_a_package_is_imported_for_a_name_that_we_do_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_words.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    asked: list[str] = []

    def plugins(group: str) -> dict[str, EntryPoint]:
        asked.append(group)
        return {"theirs": EntryPoint("theirs", "their_words", group)}

    monkeypatch.setattr(vocabulary, "plugins", plugins)
    vocabulary.load_plugins.cache_clear()
    try:
        assert REWARD_TERMS.find("action_rate") and not asked, "for ours nobody else is asked"
        assert REWARD_TERMS["swing"].package == "their_words"
        task = PLANE.with_({"rewards.terms.swing.weight": 1.0})
        assert task.rewards.terms["swing"].parameters == {"height": 0.2} and asked == ["locoenvs.plugins"]
    finally:
        vocabulary.load_plugins.cache_clear()
        sys.modules.pop("their_words", None)


SCRIPT = '''
import multiprocessing
import sys
from locoenvs.envs.registration import task
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import REWARD_TERMS, reward_term

@reward_term()
def swing(s, height: float = 0.2):
    """How high feet swing, m."""
    return s.air_time[:, 0]

def read(text):
    print(Task.from_json(text).rewards.terms["swing"].package, flush=True)

if __name__ == "__main__":
    text = task("Loco/A1-Flat-v0").with_({"rewards.terms.swing.weight": 1.0}).to_json()
    read(text)
    started = multiprocessing.get_context("spawn").Process(target=read, args=(text,))
    started.start()
    started.join()
    sys.exit(started.exitcode)
'''


@pytest.mark.slow
def test_a_scripts_words_are_of_the_package_that_it_would_be_imported_as(tmp_path: Path) -> None:
    """In the script itself, in the processes that it starts, and where another script imports it."""
    (tmp_path / "walking_high.py").write_text(SCRIPT)
    (tmp_path / "other.py").write_text("from walking_high import REWARD_TERMS\nprint(REWARD_TERMS['swing'].package)\n")
    for script, expected in (("walking_high.py", "walking_high\n" * 2), ("other.py", "walking_high\n")):
        done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert (done.stdout, done.returncode) == (expected, 0), done.stderr[-2000:]


def test_a_task_of_the_suite_has_words_of_ours_alone() -> None:
    for env_id in ("Loco/AnymalC-Rough-v0", "Loco/Cassie-Flat-v0"):
        text = task_of(env_id).to_json()
        assert "package" not in text and json.loads(text)["format_version"] == 2


def untyped(s: Step, height=0.1) -> Array:  # type: ignore[no-untyped-def]
    """The height, m."""


def unknown(s: Step, height: Unheard = 0.1) -> Array:  # type: ignore[name-defined]  # noqa: F821
    """The height, m."""


def below(s: Step, height: Positive = -1.0) -> Array:
    """The height, m."""


def needed(s: Step, *, height: float) -> Array:
    """The height, m."""


def anything(s: Step, **more: float) -> Array:
    """The height, m."""


def opaque(s: Step, height: Step = None) -> Array:  # type: ignore[assignment]
    """The height, m."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "'untyped': parameter 'height' needs a type"),
        (unknown, "'unknown': the type of a parameter is not known as it runs: name 'Unheard' is not defined"),
        (below, "'below': a default or a type does not do: .*greater than 0"),
        (needed, "'needed': parameter 'height' needs a default"),
        (anything, "'anything': parameter 'more' needs a default"),
        (opaque, "'opaque': a default or a type does not do: "),
    ],
)
def test_a_signature_that_says_too_little_is_refused_as_it_is_registered(function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vocabulary.reward_term()(function)
    assert vocabulary.REWARD_TERMS.find(function.__name__) is None


@pytest.mark.parametrize("name", ["running", "time_limit", "broken_physics", "map_edge"])
def test_a_termination_is_not_called_as_another_end_of_an_episode(name: str) -> None:
    def end(s: Step) -> Array:
        """Never."""

    end.__name__ = name
    with pytest.raises(ValueError, match=f"termination '{name}': the name means something else already"):
        vocabulary.termination()(end)


def test_a_plugin_that_cannot_be_imported_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "no_such_module_anywhere", vocabulary.GROUP)
    monkeypatch.setattr(vocabulary, "plugins", lambda group: {"mine": point})
    vocabulary.load_plugins.cache_clear()
    with pytest.warns(UserWarning, match="plugin 'mine' of no_such_module_anywhere is left out: No module named"):
        vocabulary.load_plugins()
    assert task_of("Loco/AnymalC-Flat-v0").rewards.terms
    vocabulary.load_plugins.cache_clear()


def test_numbers_of_numpy_are_numbers() -> None:
    task = Task(BIPED)
    changes = {"rewards.terms.action_rate.weight": np.float32(-0.5), "randomization.friction": np.array([0.5, 0.75])}
    changed = task.with_(changes)
    assert changed.rewards.terms["action_rate"].weight == -0.5 and changed.randomization.friction == (0.5, 0.75)
