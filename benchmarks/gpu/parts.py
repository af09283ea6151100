"""What there is to do, in order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from locoenvs.benchmarks import parity
from locoenvs.benchmarks.gpu.checks import check_draws, check_memory, check_parity, check_torch
from locoenvs.benchmarks.gpu.plan import PANELS, Ground, Part, Plan
from locoenvs.benchmarks.gpu.speed import graph_speed, speed
from locoenvs.benchmarks.gpu.training import learning, panel, training


def parts(plan: Plan) -> Iterator[Part]:
    """All of them, in order: what is quick and what tells whether the rest can be trusted comes first."""
    yield Part("checks/parity", partial(check_parity, task=parity.FLAT, wanted=["air", "plane", "standing"]), 180)
    yield Part("checks/stairs", partial(check_parity, task=parity.STAIRS, wanted=["stairs"]), 180)
    yield Part("checks/draws", check_draws, 120)
    yield Part("checks/torch", check_torch, 120)
    grounds: tuple[Ground, ...] = ("flat", "rough")
    first = [n for n in plan.robots if n in plan.both_impls_at]
    sizes = [(ground, robots) for robots in first for ground in grounds]
    for ground, robots in sizes:
        yield Part(f"speed/{ground}/{robots}", partial(speed, ground=ground, robots=robots), 120)
    for ground, updates in plan.updates:
        yield Part(f"train/{ground}", partial(training, ground=ground, updates=updates), 120)
    for ground, _ in plan.updates:
        for name in PANELS[ground]:
            yield Part(f"panel/{name}", partial(panel, ground=ground, name=name), 150)
    for ground, robots in ((ground, robots) for robots in plan.robots for ground in grounds if robots not in first):
        yield Part(f"speed/{ground}/{robots}", partial(speed, ground=ground, robots=robots), 120)
    yield Part("checks/memory", check_memory, 150)
    for robots in plan.learning_at:
        for ground in grounds:
            yield Part(f"learning/{ground}/{robots}", partial(learning, ground=ground, robots=robots), 120)
    for robots in plan.both_impls_at:
        for ground in grounds:
            yield Part(f"speed-jax/{ground}/{robots}", partial(speed, ground=ground, robots=robots, impl="jax"), 200)
        for mode in ("jax", "warp", "warp_staged_ex", "none"):
            yield Part(f"speed-graph/{mode}/{robots}", partial(graph_speed, robots=robots, mode=mode), 120)
