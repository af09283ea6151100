"""Pictures of a drive's network: how well it fits, how it responds. They need matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from locoenvs.evidence.plots import figure_of, plain, save
from locoenvs.tasks.drive import Network
from locoenvs.tools.drive_fit import Fit, response

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = (0.05, 0.2, 0.5)
"""Position errors of the step responses, rad."""

SINES = (1.0, 3.0, 10.0)
"""Frequencies of the sine responses, Hz; their amplitude is 0.2 rad, of a joint that does not move."""


def fit_picture(fit: Fit, path: Path) -> None:
    """Errors over the epochs, two held-out stretches, and predicted against logged torque."""
    figure = figure_of(14, 4.2)
    course, stretch, scatter = figure.subplots(1, 3, width_ratios=(1, 1.6, 1))
    epochs = np.arange(1, len(fit.train_errors) + 1)
    course.semilogy(epochs, fit.train_errors, label="trained on", color="tab:blue")
    course.semilogy(epochs, fit.held_out_errors, label="held out", color="tab:orange")
    course.axvline(int(np.argmin(fit.held_out_errors)) + 1, color="0.6", linewidth=0.8)
    course.set_title("error, N m", loc="left")
    course.set_xlabel("epoch")
    course.legend(frameon=False)
    shown = min(400, fit.torque.shape[1])
    time = np.arange(shown) * fit.network.dt
    lively = np.argsort(-fit.torque.std(axis=1))
    for rank, offset in enumerate((0.0, 2.5 * fit.largest_torque)[: len(lively)]):
        trial = lively[rank * len(lively) // 2]
        logged, predicted = fit.torque[trial, :shown] + offset, fit.predicted[trial, :shown] + offset
        stretch.plot(time, logged, color="0.2", linewidth=1.6, label="log" if rank == 0 else None)
        stretch.plot(time, predicted, color="tab:orange", linewidth=0.9, label="network" if rank == 0 else None)
    stretch.set_title("torque of held-out trials, N m (one above the other)", loc="left")
    stretch.set_xlabel("s")
    stretch.legend(frameon=False, loc="upper right")
    some = slice(None, None, max(1, fit.torque.size // 4000))
    scatter.plot(fit.torque.ravel()[some], fit.predicted.ravel()[some], ".", markersize=1.5, color="tab:blue")
    ends = [-fit.largest_torque, fit.largest_torque]
    scatter.plot(ends, ends, color="0.6", linewidth=0.8)
    scatter.set_title(f"held out: {fit.held_out_error:.2f} N m, {100 * fit.share:.1f} %", loc="left")
    scatter.set(xlabel="logged, N m", ylabel="predicted, N m")
    _finish(figure, path)


def response_picture(network: Network, path: Path) -> None:
    """The torque of a joint that stands still while its target jumps, or swings."""
    figure = figure_of(12, 4.2)
    steps, sines = figure.subplots(1, 2)
    time = np.arange(round(0.5 / network.dt)) * network.dt
    for index, size in enumerate(STEPS):
        error = np.where(time >= 0.1, size, 0.0).astype(np.float32)[None]
        steps.plot(time, response(network, error, 0 * error)[0], color=f"C{index}", label=f"{size:g} rad")
    steps.set_title("step of the position error at 0.1 s, torque, N m", loc="left")
    time = np.arange(round(1.0 / network.dt)) * network.dt
    for index, pitch in enumerate(SINES):
        error = (0.2 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)[None]
        sines.plot(time, response(network, error, 0 * error)[0], color=f"C{index}", label=f"{pitch:g} Hz")
    sines.set_title("sine of the position error, 0.2 rad, torque, N m", loc="left")
    for axes in (steps, sines):
        axes.legend(frameon=False)
        axes.set_xlabel("s")
    _finish(figure, path)


def _finish(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        plain(axes)
    save(figure, path)
