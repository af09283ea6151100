"""What others add fails as an environment is made, and by its name: reward terms, slots, terminations and randomizations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from fake import BIPED
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp import dry
from locoenvs.mdp.draws import Draw
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.rewards import Step
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rows
from locoenvs.tasks.task import Observations, Task, Terrain
from locoenvs.tasks.vocabulary import (
    OBSERVATION_SLOTS,
    RANDOMIZATIONS,
    REWARD_TERMS,
    TERMINATIONS,
    observation_slot,
    randomization,
    reward_term,
    termination,
)

PLAIN = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None))
GROUND = build(PLAIN.terrain)
OURS = __name__.partition(".")[0]
"""The package that this module is of, as an error names it."""

Value = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test registers is gone after it."""
    vocabularies = (REWARD_TERMS, OBSERVATION_SLOTS, TERMINATIONS, RANDOMIZATIONS)
    before = [set(words.words()) for words in vocabularies]
    yield
    for words, known in zip(vocabularies, before, strict=True):
        for name in set(words.words()) - known:
            words.remove(name)


def with_term(value: Value, weight: float = 1.0) -> Task:
    @reward_term()
    def mine(s: Step) -> Any:
        """What the test says."""
        return value(s)

    return PLAIN.with_({"rewards.terms.mine": {"weight": weight}})


def with_slot(value: Value, size: int = 2) -> Task:
    @observation_slot(unit="1", size=size)
    def mine(mdp: Mdp, episodes: Episodes) -> Any:
        """what the test says"""
        return value(episodes)

    return PLAIN.with_({"observations.slots.mine": {}})


def with_termination(value: Value) -> Task:
    @termination()
    def mine(s: Step) -> Any:
        """What the test says."""
        return value(s)

    return PLAIN.with_({"terminations.mine": {}})


def with_drawn(stage: Any, value: Value, *quantities: str) -> Task:
    if stage == "sensors":

        @randomization(stage)
        def mine(draw: Draw, mdp: Mdp, episodes: Episodes, seen: Mapping[str, Any]) -> Any:
            """What the test says."""
            return value(seen)

    else:

        @randomization(stage, quantities=quantities)
        def mine(draw: Draw, mdp: Mdp) -> Any:
            """What the test says."""
            return value(draw)

    return PLAIN.with_({"randomization.terms.mine": {}})


def with_delay(stage: Any, value: Value, ends: Any = (0.0, 0.1)) -> Task:
    """A foreign word that has a delay, (num_envs, 1) s, and a parameter for it unless ``ends`` is None."""

    def made(found: Any) -> Any:
        return found if stage == "lag" else {"delay": found}

    if ends is None:

        @randomization(stage, quantities=("delay",))
        def mine(draw: Draw, mdp: Mdp) -> Any:
            """What the test says."""
            return made(value(draw))

    else:

        @randomization(stage, quantities=("delay",))
        def mine(draw: Draw, mdp: Mdp, delay: Any = ends) -> Any:
            """What the test says."""
            return made(value(draw))

    return PLAIN.with_({"randomization.terms.mine": {}})


@pytest.mark.parametrize("stage", ["lag", "drive"])
def test_a_delay_is_known_beforehand(stage: str) -> None:
    check(with_delay(stage, lambda draw: draw(1) * 0.1))
    needs = f"randomization 'mine' of {OURS!r} gives a delay: it must have a parameter delay, (least, most) s, within which that is"
    refused(with_delay(stage, lambda draw: draw(1), None), needs)
    refused(with_delay(stage, lambda draw: draw(1), 0.1), needs)
    beyond = f"randomization 'mine' of {OURS!r} gives a delay outside of its parameter delay=(0.0, 0.1) s"
    refused(with_delay(stage, lambda draw: draw(1) + 0.2), beyond)


def test_what_raises_without_a_word_is_named() -> None:
    def bare(_: Any) -> Any:
        raise NotImplementedError

    refused(with_slot(bare), f"observation slot 'mine' of {OURS!r} fails: NotImplementedError")
    late = with_slot(bare).with_({"randomization.terms.observation_delay": {}})
    refused(late, f"observation slot 'mine' of {OURS!r} fails: NotImplementedError")


def test_friction_is_the_tasks_own() -> None:
    task = with_drawn("physics", lambda draw: {"friction": draw(1)[:, 0]}, "friction")
    refused(
        task, f"randomization 'mine' of {OURS!r} gives friction, which is the task's own: set randomization.friction"
    )


def check(task: Task, xp: ModuleType = numpy_xp) -> None:
    dry.check(prepare(task, GROUND, xp))


def refused(task: Task, message: str, xp: ModuleType = numpy_xp) -> None:
    with pytest.raises(ValueError) as error:
        check(task, xp)
    assert str(error.value) == message


def raising(_: Any) -> Any:
    raise KeyError("no such leg\nand more")


def nan(s: Step) -> Any:
    return s.action[:, 0] * float("nan")


TERMS: dict[str, tuple[Value, str]] = {
    "a column": (lambda s: s.action[:, :1], "must return shape ('num_envs',), got (3, 1) for 3 robots"),
    "one for each joint": (lambda s: s.action, "must return shape ('num_envs',), got (3, 2) for 3 robots"),
    "one for all robots": (lambda s: s.mdp.xp.sum(s.action), "must return shape ('num_envs',), got () for 3 robots"),
    "a bool of Python": (lambda s: True, "must return an array, one row a robot, got bool"),
    "a number of Python": (lambda s: 1.0, "must return an array, one row a robot, got float"),
    "nothing": (lambda s: None, "must return an array, one row a robot, got NoneType"),
    "not a number": (nan, "is not finite for robots that have just been placed, but nan for robot 0"),
    "an error": (raising, "fails: KeyError: 'no such leg\\nand more'"),
}


@pytest.mark.parametrize("case", TERMS)
@pytest.mark.parametrize("namespace", ["numpy", "torch"])
def test_a_reward_term_that_does_not_give_a_number_a_robot_is_named(case: str, namespace: str) -> None:
    value, message = TERMS[case]
    refused(
        with_term(value), f"reward term 'mine' of {OURS!r} {message}", {"numpy": numpy_xp, "torch": torch_xp}[namespace]
    )


def test_a_term_of_another_kind_of_number_is_told_to_convert() -> None:
    said = (
        f"reward term 'mine' of {OURS!r} must return numbers of kind 'real floating', got {{}}: convert them by astype"
    )
    refused(with_term(lambda s: s.terminated), said.format("bool"))
    refused(with_term(lambda s: s.mdp.xp.astype(s.terminated, s.mdp.xp.int32)), said.format("int32"))
    refused(with_term(lambda s: s.terminated), said.format("torch.bool"), torch_xp)


def test_a_term_without_a_weight_is_not_tried() -> None:
    check(with_term(raising, weight=0.0))


@pytest.mark.parametrize("namespace", ["numpy", "torch"])
def test_what_gives_what_it_must_passes(namespace: str) -> None:
    xp = {"numpy": numpy_xp, "torch": torch_xp}[namespace]
    check(
        with_term(
            lambda s: s.action[:, 0] + s.foot_position()[:, 0, 2] - s.ground_height(*s.readout.base_position[:, :2].T)
        ),
        xp,
    )
    check(with_slot(lambda episodes: episodes.last_action), xp)
    check(with_termination(lambda s: s.readout.base_position[:, 2] < 0.1), xp)
    check(with_drawn("drive", lambda draw: {"strength": draw(1), "offset": draw(2)}, "strength", "offset"), xp)
    check(
        with_drawn("physics", lambda draw: {"mass": draw(5), "center_of_mass": draw(3)}, "mass", "center_of_mass"), xp
    )
    check(with_drawn("physics", lambda draw: {"armature": draw(2)}, "armature"), xp)
    check(with_drawn("sensors", lambda seen: {"joint_position": seen["joint_position"] * 2}), xp)


def test_what_is_the_suites_own_is_tried_for_what_is_varied_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    check(PLAIN.with_({"randomization.terms.gains": {}, "randomization.terms.imu_bias": {}}))
    nobody = PLAIN.with_({"randomization.terms.link_mass": {"parameters": {"body": "tail"}}})
    refused(
        nobody,
        "randomization 'link_mass' of 'locoenvs' fails: ValueError: there is no body 'tail'; there are base, left, left_foot, right, right_foot",
    )
    monkeypatch.setattr(dry, "robots", lambda mdp: pytest.fail("it was tried"))
    check(PLAIN)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda episodes: episodes.last_action[:, :1], "must return shape ('num_envs', 2), got (3, 1) for 3 robots"),
        (lambda episodes: episodes.command, "must return shape ('num_envs', 2), got (3, 4) for 3 robots"),
        (lambda episodes: episodes.last_action[:, 0], "must return shape ('num_envs', 2), got (3,) for 3 robots"),
        (lambda episodes: [0.0, 0.0], "must return an array, one row a robot, got list"),
        (lambda episodes: episodes.last_action / 0, "is not finite for robots that have just been placed, but nan for robot 0"),
        (lambda episodes: episodes.contact, "must return numbers of kind 'real floating', got bool: convert them by astype"),
        (raising, "fails: KeyError: 'no such leg\\nand more'"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_slot_of_another_size_than_it_says_is_named(value: Value, message: str) -> None:
    refused(with_slot(value), f"observation slot 'mine' of {OURS!r} {message}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda s: s.air_time[:, 0], "must return numbers of kind 'bool', got float32: convert them by astype"),
        (lambda s: s.foot_contact, "must return shape ('num_envs',), got (3, 2) for 3 robots"),
        (lambda s: False, "must return an array, one row a robot, got bool"),
        (raising, "fails: KeyError: 'no such leg\\nand more'"),
    ],
)
def test_a_termination_that_does_not_say_yes_or_no_is_named(value: Value, message: str) -> None:
    refused(with_termination(value), f"termination 'mine' of {OURS!r} {message}")


DRAWN: dict[str, tuple[str, tuple[str, ...], Value, str]] = {
    "an unknown quantity": (
        "drive", ("strength",), lambda draw: {"strengths": draw(1)}, " gives 'strengths'; it may give strength",
    ),
    "a quantity that it did not name": (
        "drive", ("strength",), lambda draw: {"delay": draw(1)}, " gives 'delay'; it may give strength",
    ),
    "a quantity of another stage": (
        "drive", ("strength", "mass"), lambda draw: {"mass": draw(5)}, " gives 'mass'; it may give strength",
    ),
    "a quantity without any named": (
        "physics", (), lambda draw: {"mass": draw(5)}, " gives 'mass'; it may give nothing: name its quantities",
    ),
    "numbers of the wrong bodies": (
        "physics", ("mass",), lambda draw: {"mass": draw(4)}, ": mass must have shape (3, 5) for 3 robots, got (3, 4)",
    ),
    "one number for all robots": (
        "drive", ("strength",), lambda draw: {"strength": 0.5}, ": strength must have shape (3, 2) for 3 robots, got 0.5",
    ),
    "a row": (
        "drive", ("strength",), lambda draw: {"strength": draw(1)[:, 0]}, ": strength must have shape (3, 2) for 3 robots, got (3,)",
    ),
    "no mapping": (
        "drive", ("strength", "offset"), lambda draw: draw(2), " must return a mapping of strength, offset, got ndarray",
    ),
    "not a number": (
        "drive", ("strength",), lambda draw: {"strength": draw(1) * float("nan")}, ": strength is not finite, but nan for robot 0",
    ),
    "an error": (
        "drive", ("strength",), raising, " fails: KeyError: 'no such leg\\nand more'",
    ),
    "a delay a joint": (
        "lag", (), lambda draw: draw(2), ": delay must have shape (3, 1) for 3 robots, got (3, 2)",
    ),
    "a slot of another size": (
        "sensors", (), lambda seen: {"joint_position": seen["joint_position"][:, :1]},
        ": joint_position must have shape (3, 2) for 3 robots, got (3, 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DRAWN)
def test_a_randomization_that_does_not_give_what_its_stage_must_is_named(case: str) -> None:
    stage, quantities, value, message = DRAWN[case]
    refused(with_drawn(stage, value, *quantities), f"randomization 'mine' of {OURS!r}{message}")


def test_a_slot_that_the_task_does_not_have_is_named_with_those_that_it_has() -> None:
    task = with_drawn("sensors", lambda seen: {"heights": seen["joint_position"]})
    with pytest.raises(
        ValueError, match=f"'mine' of '{OURS}' gives 'heights'; it may give base_linear_velocity, .*action"
    ):
        check(task)


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """jax.numpy; the robots of a dry step are made by numpy, which need not be compiled for it."""
    xp = pytest.importorskip("jax.numpy")
    robots, made = dry.robots, prepare(PLAIN, GROUND, numpy_xp)
    monkeypatch.setattr(dry, "robots", lambda mdp: rows.map_arrays(xp.asarray, robots(made)))
    from locoenvs.backends.mjx.trees import register

    register()
    return xp


def test_under_jax_an_if_on_an_array_is_answered_with_where(at_hand: ModuleType) -> None:
    def falls(s: Step) -> Any:
        return s.action[:, 0] if s.readout.base_position[0, 2] > 0.1 else s.action[:, 1]

    def near(episodes: Episodes) -> Any:
        return episodes.last_action * 0 if bool(episodes.contact.any()) else episodes.last_action

    said = "of {!r} cannot be traced by JAX, use where() in place of if: TracerBoolConversionError: "
    for task, what in ((with_term(falls), "reward term"), (with_slot(near), "observation slot")):
        check(task)  # numpy knows the values
        with pytest.raises(ValueError, match=re.escape(f"{what} 'mine' {said.format(OURS)}")) as error:
            check(task, at_hand)
        assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_under_jax_a_value_that_is_taken_out_is_answered_too(at_hand: ModuleType) -> None:
    task = with_term(lambda s: s.mdp.xp.asarray(np.asarray(s.action)[:, 0]))
    with pytest.raises(ValueError, match="'mine' of .* cannot be traced by JAX, use where"):
        check(task, at_hand)
    with pytest.raises(ValueError, match=f"reward term 'mine' of '{OURS}' .*: ConcretizationTypeError: "):
        check(with_term(lambda s: s.action[:, 0] * float(s.readout.base_position[0, 2])), at_hand)


def test_under_jax_other_errors_and_shapes_are_named_as_they_are(at_hand: ModuleType) -> None:
    refused(with_term(raising), f"reward term 'mine' of {OURS!r} fails: KeyError: 'no such leg\\nand more'", at_hand)
    said = f"reward term 'mine' of {OURS!r} must return shape ('num_envs',), got (3, 2) for 3 robots"
    refused(with_term(lambda s: s.action), said, at_hand)
    check(
        with_term(lambda s: s.mdp.xp.where(s.readout.base_position[:, 2] > 0.1, s.action[:, 0], s.action[:, 1])),
        at_hand,
    )


def test_it_is_tried_as_the_environment_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    task = with_term(lambda s: s.action)
    with pytest.raises(ValueError, match=r"reward term 'mine' of .* must return shape \('num_envs',\), got \(3, 2\)"):
        LocoVectorEnv(task, 2, backend="mujoco", options={"threads": 1})
    REWARD_TERMS.remove("mine")
    with pytest.raises(
        ValueError, match=f"reward term 'mine' is of package {OURS!r}, which is not here: install it, or"
    ):
        LocoVectorEnv(task, 2, backend="mujoco", options={"threads": 1})


def test_on_mjx_a_term_that_cannot_be_traced_is_refused_as_the_environment_is_made() -> None:
    pytest.importorskip("mujoco.mjx")
    task = with_term(lambda s: s.action[:, 0] if s.readout.base_position[0, 2] > 0.1 else s.action[:, 1])
    said = f"reward term 'mine' of {OURS!r} cannot be traced by JAX, use where() in place of if: "
    with pytest.raises(ValueError, match=re.escape(said)):
        LocoVectorEnv(task, 2, backend="mjx", device="cpu", options={"impl": "jax"})
