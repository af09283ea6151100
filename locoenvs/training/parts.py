"""Panels judged by all processes of a run: each one steps its part of the robots, and the first puts together what happened."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.evaluate import environment_of, recorded, result_of
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import Panel
from locoenvs.evidence.record import Record, Watch, joined, nobody
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import Policy
from locoenvs.training import ranks

ROWS = 4
"""Parts begin at multiples of this: where a network is given a number of robots that is none, its last rows may be rounded otherwise."""


def part_of(count: int) -> range:
    """Which of a panel's ``count`` robots are this process's; the first one has all where they are too few to share."""
    processes, groups = ranks.current(), -(-count // ROWS)
    if groups < processes.size:
        return range(count if processes.first else 0)
    own = processes.robots(groups)
    return range(ROWS * own.start, min(ROWS * own.stop, count))


def agree(failed: Exception | None) -> None:
    """Raise what has ``failed`` in this process, or ValueError for what has in another one: then none goes on, and none waits for ever."""
    told = ranks.current().all_told(None if failed is None else str(failed) or type(failed).__name__)
    if (reason := next(filter(None, told), None)) is not None:
        raise failed or ValueError(f"rank {told.index(reason)}: {reason}")


def recorded_by_all(
    policy: Policy,
    panel: Panel,
    env: LocoVectorEnv | None,
    progress: Callable[[float], None] = lambda share: None,
    watch: Watch = nobody,
) -> list[tuple[Record, Watch]]:
    """What a policy does on a panel by each process that has a part of it, and what watched it there; in the first process, none in the others.

    ``env`` is the environment of this process's part, None where it has none. Raises in all what is wrong in one.
    """
    own, failed = None, None
    try:
        own = None if env is None else (recorded(policy, panel, env, progress, watch), watch)
    except (RuntimeError, ValueError) as error:
        failed = error
    agree(failed)
    return [each for each in ranks.current().gathered(own) if each is not None]


def evaluate(
    policy: Policy,
    panel: Panel,
    backend: str,
    progress: Callable[[float], None] = lambda share: None,
    *,
    device: str | None = None,
    options: Mapping[str, object] | None = None,
) -> tuple[Result, Keeper] | None:
    """What :func:`locoenvs.evidence.evaluate.evaluate` finds, and what was kept of falls, in the first process; None in the others.

    On native MuJoCo it is what one process finds, bit by bit. Raises in all what one of them cannot do, and ConnectionError
    where one is lost.
    """
    begun, own, env, failed = time.perf_counter(), part_of(panel.num_robots), None, None
    with ranks.watched(), contextlib.ExitStack() as held:
        try:
            if own:
                place = ranks.device(device, backend)
                env = environment_of(panel, backend, device=place, options=options, robots=own)
                held.callback(env.close)
        except (ImportError, RuntimeError, ValueError) as error:
            failed = error
        agree(failed)
        told = recorded_by_all(policy, panel, env, progress, Keeper())
        if not told or env is None:
            return None
        record = joined([each for each, _ in told])
        result = result_of(policy, panel, record, env, time.perf_counter() - begun, backend)
    return result, Keeper.joined([keeper for _, keeper in told if isinstance(keeper, Keeper)])
