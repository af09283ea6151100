"""Who goes on: one in so many, the best ones, and nobody waits who is surely among them."""

from __future__ import annotations

from locoenvs.training.study.schedule import Rank, best_at, next_up

NAMES = [f"t{number}" for number in range(9)]


def carried_out(values: dict[str, float], rungs: int, factor: int | None) -> list[tuple[str, int]]:
    """What is trained, one after the other, where a configuration is as good at each rung."""
    reached: dict[str, list[Rank]] = {name: [] for name in values}
    done = []
    while (following := next_up(reached, rungs, factor, (), "base")) is not None:
        name, rung = following
        assert len(reached[name]) == rung
        reached[name].append((values[name],))
        done.append(following)
    return done


def test_one_after_the_other_it_is_successive_halving() -> None:
    values = {name: float((7 * number) % 9) for number, name in enumerate(NAMES)}  # t5 is 8, t1 is 7, t6 is 6
    done = carried_out(values, 3, 3)
    assert done[:9] == [(name, 0) for name in NAMES]
    assert done[9:12] == [("t5", 1), ("t1", 1), ("t6", 1)]
    assert done[12:] == [("t5", 2)]


def test_without_pruning_all_go_to_the_end() -> None:
    assert carried_out({"a": 1.0, "b": 0.0}, 1, None) == [("a", 0), ("b", 0)]


def test_the_best_goes_on_where_there_are_too_few_for_one_in_so_many() -> None:
    assert carried_out({"a": 0.0, "b": 1.0}, 3, 3) == [("a", 0), ("b", 0), ("b", 1), ("b", 2)]


def test_the_base_goes_to_the_end_and_does_not_compete() -> None:
    done = carried_out({"base": 9.0, "a": 1.0, "b": 2.0, "c": 0.0}, 2, 3)
    assert done == [("base", 0), ("base", 1), ("a", 0), ("b", 0), ("c", 0), ("b", 1)]


def test_with_several_at_a_time_a_place_is_given_to_whoever_is_surely_among_the_best() -> None:
    reached: dict[str, list[Rank]] = {"a": [(1.0,)], "b": [(3.0,)], "c": [(2.0,)], "d": [], "e": []}
    assert next_up(reached, 2, 3, {"d", "e"}, "base") == ("b", 1)
    assert next_up(reached, 2, 3, {"b", "d", "e"}, "base") is None, "who comes next may be among those that are busy"
    assert next_up(reached, 2, 3, {"b", "d"}, "base") == ("e", 0)


def test_nobody_is_sent_on_for_want_of_others_while_those_are_busy() -> None:
    assert next_up({"a": [(1.0,)], "b": []}, 2, 3, {"b"}, "base") is None


def test_of_equal_ones_the_earlier_is_the_better() -> None:
    assert best_at({"a": [(1.0, 0.0)], "b": [(1.0, 0.5)], "c": [(1.0, 0.5)], "d": []}, 0) == ["b", "c", "a"]
