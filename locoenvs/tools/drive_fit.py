"""Fit a drive's network to a log. It needs torch; what comes out is numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import numpy as xp

from locoenvs import install
from locoenvs.mdp.actuators import LSTM
from locoenvs.tasks.drive import Layer, Network
from locoenvs.tools.excitation import Log

if TYPE_CHECKING:
    import torch

UNITS = 8
LAYERS = 2
WINDOW = 100
"""Samples between two steps of the optimizer; memory goes on from window to window, gradients do not."""

INPUT_SCALE, OUTPUT_SCALE = (2.0, 0.25), 20.0
"""Those of the published ANYdrive network: 1/rad, s/rad; N m."""

_HELD_OUT = 0.2


@dataclass(frozen=True)
class Fit:
    """How well a network fits: root mean square errors in N m, epoch by epoch, and the largest torque of the log.

    ``torque`` and ``predicted`` (trials, T) N m are the held-out part of the log and what the network makes of it.
    """

    network: Network
    train_errors: tuple[float, ...]
    held_out_errors: tuple[float, ...]
    largest_torque: float
    torque: np.ndarray
    predicted: np.ndarray

    @property
    def held_out_error(self) -> float:
        """The error of the network, N m: that of its best epoch."""
        return _error(self.torque, self.predicted)

    @property
    def train_error(self) -> float:
        """The error of its best epoch on what was trained on, N m."""
        return self.train_errors[int(np.argmin(self.held_out_errors))]

    @property
    def share(self) -> float:
        """The held-out error as a share of the log's largest torque."""
        return self.held_out_error / self.largest_torque


def fit(
    log: Log,
    name: str,
    *,
    seed: int = 0,
    epochs: int = 300,
    patience: int = 40,
    learning_rate: float = 0.01,
    progress: Callable[[int, float, float], None] = lambda epoch, train, held_out: None,
) -> Fit:
    """A network for a log. A fifth of the trials, or the last fifth of one, is held out; training stops when the error
    there has not fallen for ``patience`` epochs, and the network of the best epoch is what counts.

    ``progress`` hears the epoch and the errors of both parts, N m. Equal arguments give equal networks on one machine.
    """
    torch = _torch()
    if not log.torque.any():
        raise ValueError("every torque of the log is 0 N m, so there is no drive to fit: log one that is switched on")
    train, held_out = _split(log, seed)
    if min(train[1].shape[1], held_out[1].shape[1]) < 2:
        raise ValueError("the log is too short to hold a part of it out")
    model = _Model(seed)
    optimizer = torch.optim.Adam(model.parameters, learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, learning_rate / 100)
    train_errors: list[float] = []
    held_out_errors: list[float] = []
    best: dict[str, Any] = {}
    for epoch in range(epochs):
        train_errors.append(_epoch(model, optimizer, train))
        held_out_errors.append(_error(held_out[1], model.predict(held_out[0])))
        schedule.step()
        progress(epoch + 1, train_errors[-1], held_out_errors[-1])
        if held_out_errors[-1] == min(held_out_errors):
            best = model.numbers()
        elif epoch - int(np.argmin(held_out_errors)) >= patience:
            break
    network = Network(name=name, dt=log.dt, input_scale=INPUT_SCALE, output_scale=OUTPUT_SCALE, **best)
    predicted = response(network, *held_out[0])
    return Fit(
        network=network,
        train_errors=tuple(train_errors),
        held_out_errors=tuple(held_out_errors),
        largest_torque=float(np.abs(log.torque).max()),
        torque=held_out[1],
        predicted=predicted,
    )


def response(network: Network, error: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """The torques (trials, T) N m, not clipped, for series of errors (trials, T) rad and velocities rad/s."""
    actuator, trials = LSTM(network, [np.inf]), error.shape[0]
    memory = actuator.initial(trials, xp)
    torques = np.zeros_like(error)
    rest = np.zeros((trials, 1), np.float32)
    for step in range(error.shape[1]):
        memory, torque = actuator.torque(memory, error[:, step, None], rest, velocity[:, step, None])
        torques[:, step] = torque[:, 0]
    return torques


def from_torchscript(path: Path) -> Network:
    """The network in a TorchScript file of the format that ANYdrive's was published in.

    Such a file is code, and loading it runs it: only do so with one that you trust.
    """
    torch = _torch()
    try:
        module = torch.jit.load(str(path), map_location="cpu")
    except RuntimeError as error:
        raise ValueError(
            f"{path} is not TorchScript: write it by torch.jit.script(module).save(path), not by torch.save"
        ) from error
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    try:
        array = {name: value.detach().numpy().astype(np.float32) for name, value in tensors.items()}
        layers = tuple(
            Layer(
                array[f"lstm.weight_ih_l{index}"],
                array[f"lstm.weight_hh_l{index}"],
                array[f"lstm.bias_ih_l{index}"] + array[f"lstm.bias_hh_l{index}"],
            )
            for index in range(sum(name.startswith("lstm.weight_ih_l") for name in array))
        )
        error_scale, velocity_scale = (float(value) for value in array["in_scale"].ravel())
        return Network(
            name=path.stem,
            dt=0.005,
            input_scale=(error_scale, velocity_scale),
            output_scale=float(array["out_scale"].ravel()[0]),
            layers=layers,
            weight=array["linear.weight"].ravel(),
            bias=float(array["linear.bias"].ravel()[0]),
            provenance={"torchscript": path.name},
        )
    except KeyError as error:
        raise ValueError(
            f"{path} has no {error}: it holds {sorted(tensors)}, not an LSTM of the published format"
        ) from error


class _Model:
    """torch's LSTM and linear layer, with the scales around them."""

    def __init__(self, seed: int) -> None:
        torch = _torch()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.lstm = torch.nn.LSTM(2, UNITS, num_layers=LAYERS, batch_first=True)
            self.linear = torch.nn.Linear(UNITS, 1)
        self.parameters = [*self.lstm.parameters(), *self.linear.parameters()]
        self._scale = torch.tensor(INPUT_SCALE)

    def __call__(self, inputs: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """Torques over OUTPUT_SCALE, (trials, T), for (error, velocity) (trials, T, 2)."""
        hidden, memory = self.lstm(inputs * self._scale, memory)
        return self.linear(hidden)[..., 0], memory

    def predict(self, inputs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        torch = _torch()
        with torch.no_grad():
            torque, _ = self(torch.from_numpy(np.stack(inputs, axis=-1)), None)
        return OUTPUT_SCALE * torque.numpy()

    def numbers(self) -> dict[str, Any]:
        """Layers, weight and bias, copied."""
        lstm, linear = self.lstm, self.linear
        copy: Callable[[Any], np.ndarray] = lambda tensor: tensor.detach().numpy().copy()  # noqa: E731
        layers = tuple(
            Layer(
                copy(getattr(lstm, f"weight_ih_l{index}")),
                copy(getattr(lstm, f"weight_hh_l{index}")),
                copy(getattr(lstm, f"bias_ih_l{index}") + getattr(lstm, f"bias_hh_l{index}")),
            )
            for index in range(LAYERS)
        )
        return {"layers": layers, "weight": copy(linear.weight)[0], "bias": float(copy(linear.bias)[0])}


_Part = tuple[tuple[np.ndarray, np.ndarray], np.ndarray]
"""((error, velocity), torque), (trials, T) each."""


def _split(log: Log, seed: int) -> tuple[_Part, _Part]:
    """What is trained on and what is held out: whole trials, or the end of the only one."""
    arrays = (log.error, log.velocity, log.torque)
    if log.trials == 1:
        cut = round((1 - _HELD_OUT) * log.error.shape[1])
        parts = [[array[:, :cut] for array in arrays], [array[:, cut:] for array in arrays]]
    else:
        order = np.random.default_rng(seed).permutation(log.trials)
        count = max(1, round(_HELD_OUT * log.trials))
        parts = [[array[rows] for array in arrays] for rows in (order[count:], order[:count])]
    (a, b, c), (d, e, f) = parts
    return ((a, b), c), ((d, e), f)


def _epoch(model: _Model, optimizer: Any, part: _Part) -> float:
    """One pass over the log, window by window; the error, N m."""
    torch = _torch()
    inputs, torque = torch.from_numpy(np.stack(part[0], axis=-1)), torch.from_numpy(part[1]) / OUTPUT_SCALE
    memory, total = None, 0.0
    for start in range(0, torque.shape[1], WINDOW):
        rows = slice(start, start + WINDOW)
        predicted, memory = model(inputs[:, rows], memory)
        loss = torch.mean((predicted - torque[:, rows]) ** 2)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters, 1.0)
        optimizer.step()
        memory = tuple(state.detach() for state in memory)
        total += float(loss.detach()) * predicted.numel()
    return float(OUTPUT_SCALE * np.sqrt(total / torque.numel()))


def _error(torque: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square, N m."""
    return float(np.sqrt(np.mean((torque - predicted) ** 2)))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"fitting a drive needs torch: {install.line('rsl-rl')}") from error
    return torch
