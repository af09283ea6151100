"""``locoenvs train --processes N``: this command again in so many processes, started by PyTorch's launcher on this machine."""

from __future__ import annotations

import logging
import os
import sys
import uuid

from locoenvs.cli import arguments
from locoenvs.machine import cores
from locoenvs.training import learners
from locoenvs.training.begin import folder_of
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

MOST = 1024
"""More processes than this are no machine's."""

SHUTDOWN = "600"
"""Seconds that processes have to finish their update and save, once they are asked to stop."""


def launch(processes: int, learner: str, settings: TrainSettings) -> None:
    """Train by ``processes`` processes with the arguments of this command, and wait for them.

    Raises SystemExit with the code of the first one that failed, or with 128 and the number of a signal that came.
    """
    if not 1 < processes <= MOST:
        raise ValueError(f"--processes {processes}: must be a whole number from 1 to {MOST}")
    learners.check_together(learner, processes)
    if settings.num_envs is not None and settings.num_envs < processes:
        raise ValueError(
            f"--processes {processes}: each needs a robot, and --num-envs is {settings.num_envs}: ask for fewer processes"
        )
    if settings.resume is None:
        Run.check_free(folder_of(settings))
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", SHUTDOWN)
    logging.disable(logging.ERROR)  # each process says itself what is wrong, and this one does nothing more
    named = [] if settings.resume or settings.run else ["--run", str(folder_of(settings))]
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "locoenvs", *arguments.command_line, *named)
    except SignalException as stopped:
        raise SystemExit(128 + stopped.sigval) from None
    except ChildFailedError as failed:
        _, failure = failed.get_first_failure()
        raise SystemExit(failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode) from None
