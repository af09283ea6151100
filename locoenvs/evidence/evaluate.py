"""Evaluate a policy on a panel: one pass, no exploration, every robot's first episode, with 95 % confidence intervals.

Each metric is computed robot by robot, over the moments of the group that is asked for, then averaged over robots.
Rates carry Wilson's interval, the others the percentile bootstrap over robots.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from locoenvs.envs import backends
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.metrics import UNITS, Estimate, groups_of, metrics_of
from locoenvs.evidence.panel import Panel
from locoenvs.evidence.record import Record, Watch, nobody, record_of
from locoenvs.evidence.result import Result, strata_table, table
from locoenvs.evidence.robots import robots_of
from locoenvs.machine import versions
from locoenvs.mdp.layout import layout
from locoenvs.policies.policy import Policy
from locoenvs.tasks.task import Task

__all__ = ["UNITS", "Estimate", "Result", "environment_of", "evaluate", "strata_table", "table"]
"""What comes out is found here too."""

PACKAGES = ("locoenvs", "numpy", "mujoco", "mujoco-mjx", "jax", "warp-lang", "onnxruntime")
"""Whose versions a result tells, beside Python's."""

TOLD = (
    *("learner", "backend", "seed", "samples", "samples_before"),
    *("training_seconds", "training_seconds_before"),
)
"""What a result tells of where its policy comes from."""


def evaluate(
    policy: Policy | Callable[[np.ndarray], np.ndarray],
    panel: Panel,
    backend: str = "auto",
    progress: Callable[[float], None] = lambda share: None,
    *,
    device: str | None = None,
    options: Mapping[str, object] | None = None,
    watch: Watch = nobody,
    env: LocoVectorEnv | None = None,
) -> Result:
    """Evaluate a policy, or any function of observations (N, O) to actions (N, J), on a panel.

    ``progress`` hears the share of the panel that is done, from 0 to 1. ``device`` and ``options`` are the backend's.
    ``watch`` sees every step, as :class:`locoenvs.evidence.failures.keeper.Keeper` does to keep what led to falls.
    ``env`` is what :func:`environment_of` made of the panel, for who evaluates many policies on it; it stays open.
    """
    begun, given = time.perf_counter(), env
    if isinstance(policy, Policy):
        policy.check(panel.task)
    env = given or environment_of(panel, backend, device=device, options=options)
    try:
        record = recorded(policy, panel, env, progress, watch)
        return result_of(policy, panel, record, env, time.perf_counter() - begun, backend)
    finally:
        if given is None:
            env.close()


def recorded(
    policy: Policy | Callable[[np.ndarray], np.ndarray],
    panel: Panel,
    env: LocoVectorEnv,
    progress: Callable[[float], None] = lambda share: None,
    watch: Watch = nobody,
) -> Record:
    """What a policy does on a panel, or on the part of its robots that ``env`` has."""
    return record_of(env, policy, panel.seed, progress, watch, moments=_normalization(policy) is not None)


def result_of(
    policy: Policy | Callable[[np.ndarray], np.ndarray],
    panel: Panel,
    record: Record,
    env: LocoVectorEnv,
    seconds: float,
    backend: str = "auto",
) -> Result:
    """What a panel says of a policy, by the record of all its robots, which took ``seconds`` in an environment like ``env``.

    ``backend`` is what physics that has no name of its own is called.
    """
    normalization = _normalization(policy)
    groups = {
        stratum.quantity: {
            label: metrics_of(record, moments, whole) for label, moments, whole in groups_of(panel, stratum, record)
        }
        for stratum in panel.strata
    }
    reasons = np.bincount(record.reset_reason, minlength=len(env.reset_reasons))
    return Result(
        panel=panel.name,
        panel_hash=panel.hash,
        task_hash=panel.task.hash,
        policy_sha256=policy.sha256 if isinstance(policy, Policy) else None,
        backend=str(getattr(env.simulator, "name", backends.resolve(backend))),
        num_robots=panel.num_robots,
        episode_seconds=float(record.alive.sum(axis=0).mean() * record.dt),
        metrics=metrics_of(record, np.ones_like(record.alive), True),
        reset_reasons={name: int(count) for name, count in zip(env.reset_reasons[1:], reasons[1:])},
        strata={name: {label: found for label, found in group.items() if found} for name, group in groups.items()},
        versions={"python": platform.python_version(), **versions(*PACKAGES)},
        wall_seconds=round(seconds, 2),
        options=dict(env.simulator.options),  # type: ignore[arg-type]
        inputs=_inputs(panel.task, normalization, record) if normalization is not None else {},
        drive=panel.task.actuator.kind,
        policy=_known(policy) if isinstance(policy, Policy) else {},
        robots=robots_of(panel, record, env.reset_reasons),
        split=panel.split,
    )


def _normalization(policy: object) -> Mapping[str, Any] | None:
    return policy.document["network"]["normalization"] if isinstance(policy, Policy) else None


def _known(policy: Policy) -> dict[str, int | float | str | None]:
    """What a result tells of the policy."""
    origin, folder = policy.provenance, policy.folder
    facts = {name: origin[name] for name in TOLD if name in origin}
    known = {name: value for name, value in facts.items() if value is None or isinstance(value, int | float | str)}
    run = folder.resolve().parent.name
    name = {"policy": run, "best": f"{run}/best"}.get(folder.name, folder.name)
    return {"name": name, "drive": policy.task.actuator.kind, **known}


def _inputs(task: Task, normalization: Mapping[str, Any], record: Record) -> dict[str, tuple[float, float]]:
    """What the network sees after its normalization, slot by slot: the mean size of its means, and its mean spread."""
    assert record.observation is not None
    (mean, spread), std = record.observation, np.array(normalization["std"])
    mean, spread = np.abs(mean - normalization["mean"]) / std, spread / std
    parts = {slot.name: slice(slot.start, slot.stop) for slot in layout(task)}
    return {
        name: (round(float(mean[part].mean()), 4), round(float(spread[part].mean()), 4)) for name, part in parts.items()
    }


def environment_of(
    panel: Panel,
    backend: str = "auto",
    *,
    device: str | None = None,
    options: Mapping[str, object] | None = None,
    robots: range | None = None,
) -> LocoVectorEnv:
    """The environment that a panel asks for, of all its robots or of the part ``robots``."""
    robots = range(panel.num_robots) if robots is None else robots
    return LocoVectorEnv(
        panel.task,
        len(robots),
        first_robot=robots.start,
        backend=backend,
        device=device,
        options=options,
        split=panel.split,
        stagger=False,
        autoreset_mode="disabled",
    )
