"""Logs, the test bench, and networks fitted to logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from array_api_compat import numpy as xp

from locoenvs.mdp.actuators import LSTM
from locoenvs.tasks import drive
from locoenvs.tools.drive_fit import fit, from_torchscript, response
from locoenvs.tools.excitation import Log, excite, read_log


def test_our_anydrive_is_what_its_provenance_says() -> None:
    """Its error was at most 3 % of the torque range when it was made, and it says from what it was made."""
    network = drive.load("anydrive")
    made = network.provenance
    assert made["held_out_error"] <= 0.03 * made["largest_torque"] and made["largest_torque"] == pytest.approx(80)
    assert "legged_gym" in made["source"] and len(made["log"]["sha256"]) == 64
    assert drive.names() == ["anydrive"] and network.dt == 0.005


def test_our_anydrive_answers_as_a_spring_does() -> None:
    """A joint that stands still: more error, more torque, nearly odd, and at rest about 86 N m/rad up to 0.5 rad."""
    network = drive.load("anydrive")
    sizes = np.array([-0.5, -0.2, 0.0, 0.2, 0.5], np.float32)
    error = np.repeat(sizes[:, None], 100, axis=1)
    settled = response(network, error, 0 * error)[:, -1]
    assert (np.diff(settled) > 5).all()
    np.testing.assert_allclose(settled, -settled[::-1], atol=1.5)
    np.testing.assert_allclose(settled[[0, 4]] / sizes[[0, 4]], 86, rtol=0.05)
    # It brakes: at no error, moving forward meets torque backward.
    speed = np.full((1, 100), 5.0, np.float32)
    assert response(network, 0 * speed, speed)[0, -1] < -5


def test_our_anydrive_holds_a_joint() -> None:
    """A load of 0.3 kg m^2 that is let go 0.3 rad from its target comes to rest there."""
    actuator, dt = LSTM(drive.load("anydrive"), [80.0]), 0.005
    memory, position, velocity = actuator.initial(1, xp), 0.3, 0.0
    rest = np.zeros((1, 1), np.float32)
    for _ in range(round(3.0 / dt)):
        now = np.full((1, 1), position, np.float32), np.full((1, 1), velocity, np.float32)
        memory, torque = actuator.torque(memory, rest, *now)
        velocity += dt * float(torque[0, 0]) / 0.3
        position += dt * velocity
    assert abs(position) < 0.02 and abs(velocity) < 0.05


def test_a_log_survives_its_file(tmp_path: Path) -> None:
    log = excite(drive.load("anydrive"), 80.0, trials=4, seconds=0.5, seed=3)
    assert log.error.shape == (4, 100) and log.dt == 0.005
    log.write(tmp_path / "log.csv")
    again = read_log(tmp_path / "log.csv")
    assert again.dt == log.dt
    for name in ("error", "velocity", "torque"):
        np.testing.assert_allclose(getattr(again, name), getattr(log, name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dt", [1 / 600, 1 / 4000])
def test_a_log_of_any_rate_survives_its_file(tmp_path: Path, dt: float) -> None:
    numbers = np.linspace(-1, 1, 2 * 50, dtype=np.float32).reshape(2, 50)
    Log(dt, numbers, numbers, numbers).write(tmp_path / "log.csv")
    again = read_log(tmp_path / "log.csv")
    assert again.dt == pytest.approx(dt, abs=1e-6) and again.torque.shape == (2, 50)


def test_a_log_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: Any, *_: object, **__: object) -> None:
        with file if hasattr(file, "write") else open(file, "wb") as half:
            half.write(b"half")
        raise OSError("no space left")

    (tmp_path / "log.csv").write_text("before")
    monkeypatch.setattr(np, "savetxt", fail)
    with pytest.raises(OSError, match="no space left"):
        spring(2, 0).write(tmp_path / "log.csv")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"log.csv": "before"}


def test_the_bench_excites_the_whole_range_and_clips() -> None:
    log = excite(drive.load("anydrive"), 60.0, trials=90, seconds=2.0, seed=0)
    assert np.abs(log.torque).max() == 60 and log.torque.std() > 10
    assert np.abs(log.velocity).max() > 10 and np.quantile(np.abs(log.error), 0.9) > 0.3
    same, other = (excite(drive.load("anydrive"), 60.0, trials=90, seconds=0.1, seed=seed) for seed in (0, 1))
    again = excite(drive.load("anydrive"), 60.0, 90, 0.1, 0)
    np.testing.assert_array_equal(same.error, again.error)
    np.testing.assert_array_equal(same.torque, again.torque)
    assert not np.array_equal(same.error, other.error)


def test_the_benchs_joint_obeys_newton() -> None:
    """What is logged belongs together: torque changes the velocity of a joint without load as its inertia says."""
    log = excite(drive.load("anydrive"), 80.0, trials=60, seconds=1.0, seed=0)
    torque, change = log.torque[:, :-1], np.diff(log.velocity, axis=1)
    together = [np.corrcoef(a, b)[0, 1] for a, b in zip(torque, change) if np.abs(a).max() > 10]
    assert np.median(together) > 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,velocity,torque\n0,0,0\n", "line 1: .*missing: \\['position_error'\\]"),
        ("time,position_error,velocity,torque\n0,0,0,0\n0.005,0,x,0\n", "could not convert string 'x'"),
        ("time,position_error,velocity,torque\n0,0,0,0\n0.005,0,nan,0\n", "line 3: every number must be finite"),
        ("time,position_error,velocity,torque\n0,0,0,0\n0.005,0,0,0\n0.02,0,0,0\n", "time must go up by one step"),
        ("time,position_error,velocity,torque\n0,0,0,0\n", "needs at least two rows"),
    ],
)
def test_a_log_that_is_wrong_is_told_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_log(tmp_path / "log.csv")


def test_trials_are_told_apart_by_their_number(tmp_path: Path) -> None:
    rows = ["time,torque,trial,velocity,position_error"]
    rows += [f"{0.01 * step},{trial + step},{trial},0,{0.1 * trial}" for trial in range(2) for step in range(3 + trial)]
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    log = read_log(tmp_path / "log.csv")
    assert log.dt == 0.01
    np.testing.assert_array_equal(log.torque, [[0, 1, 2], [1, 2, 3]])
    np.testing.assert_allclose(log.error, [[0] * 3, [0.1] * 3])


def test_a_log_that_was_cut_is_refused(tmp_path: Path) -> None:
    """Trials of about one length are cut to the shortest; one that stops long before the others is an error."""
    path = tmp_path / "log.csv"
    spring(3, 0).write(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-10]) + "\n")
    assert read_log(path).torque.shape == (3, 190)
    path.write_text("\n".join(lines[:-80]) + "\n")
    with pytest.raises(
        ValueError, match="lines 402 to 521: trial 2 has 120 samples, another has 200.*is the file whole"
    ):
        read_log(path)


def test_a_trial_needs_two_samples() -> None:
    with pytest.raises(ValueError, match="0.002 s is 0 samples of 0.005 s.*at least 0.01 s"):
        excite(drive.load("anydrive"), 80.0, trials=1, seconds=0.002, seed=0)
    assert excite(drive.load("anydrive"), 80.0, trials=1, seconds=0.01, seed=0).torque.shape == (1, 2)


def spring(trials: int, seed: int) -> Log:
    """A drive that is a lag of 20 ms behind 40 error - 2 velocity."""
    draw = np.random.default_rng(seed)
    error = np.cumsum(draw.normal(0, 0.02, (trials, 200)), axis=1).astype(np.float32)
    velocity = np.cumsum(draw.normal(0, 0.3, (trials, 200)), axis=1).astype(np.float32)
    torque, now = np.zeros_like(error), np.zeros(trials)
    for step in range(200):
        now = now + 0.25 * (40 * error[:, step] - 2 * velocity[:, step] - now)
        torque[:, step] = now
    return Log(0.005, error, velocity, torque)


def test_a_fit_learns_a_drive_and_says_how_well() -> None:
    log = spring(40, 0)
    made = fit(log, "spring", epochs=60, seed=0)
    assert made.held_out_error < 0.35 * log.torque.std()
    assert made.held_out_error == pytest.approx(min(made.held_out_errors), rel=1e-3)
    assert made.train_errors[-1] < 0.5 * made.train_errors[0]
    # Held out means held out: whole trials, a fifth of them, none of which was trained on; and another log agrees.
    assert made.torque.shape == (8, 200)
    new = spring(10, 1)
    error = np.sqrt(np.mean((response(made.network, new.error, new.velocity) - new.torque) ** 2))
    assert error < 0.45 * new.torque.std()
    assert fit(log, "spring", epochs=2, seed=0).network.hash == fit(log, "spring", epochs=2, seed=0).network.hash


def test_it_stops_early_and_keeps_the_best() -> None:
    """Torques that nothing explains cannot be learned: the held-out error soon rises."""
    draw = np.random.default_rng(0)
    noise = [draw.normal(size=(10, 100)).astype(np.float32) for _ in range(3)]
    made = fit(Log(0.005, *noise), "noise", epochs=200, patience=5, learning_rate=0.05)
    assert len(made.held_out_errors) < 200
    assert int(np.argmin(made.held_out_errors)) == len(made.held_out_errors) - 6
    assert made.held_out_error == pytest.approx(min(made.held_out_errors), rel=1e-3)
    assert made.train_error == made.train_errors[-6] != made.train_errors[-1]


def test_a_log_of_a_drive_that_is_off_is_refused() -> None:
    log = spring(4, 0)
    with pytest.raises(ValueError, match="every torque of the log is 0 N m"):
        fit(Log(log.dt, log.error, log.velocity, 0 * log.torque), "off", epochs=1)


class Published(torch.nn.Module):
    """The format that ANYdrive's network was published in."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(2, 8, num_layers=2, batch_first=True)
        self.linear = torch.nn.Linear(8, 1)
        self.register_buffer("in_scale", torch.tensor([[[2.0, 0.25]]]))
        self.register_buffer("out_scale", torch.tensor([20.0]))

    def forward(self, x: torch.Tensor, memory: tuple[torch.Tensor, torch.Tensor]):  # type: ignore[no-untyped-def]
        hidden, memory = self.lstm(x * self.in_scale, memory)
        return self.out_scale * self.linear(hidden).squeeze(), memory


def test_torchscript_of_the_published_format_is_read_to_the_number(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.jit.script(Published())
    module.save(str(tmp_path / "drive.pt"))
    network = from_torchscript(tmp_path / "drive.pt")
    draw = np.random.default_rng(0)
    error, velocity = draw.uniform(-1, 1, (5, 40)).astype(np.float32), draw.uniform(-9, 9, (5, 40)).astype(np.float32)
    memory = (torch.zeros(2, 5, 8), torch.zeros(2, 5, 8))
    expected = []
    with torch.no_grad():
        for step in range(40):
            inputs = torch.from_numpy(np.stack([error[:, step], velocity[:, step]], axis=-1))[:, None]
            torque, memory = module(inputs, memory)
            expected.append(torque.numpy())
    np.testing.assert_allclose(response(network, error, velocity), np.stack(expected, axis=1), atol=1e-4)
    other = torch.jit.script(torch.nn.Linear(2, 1))
    other.save(str(tmp_path / "other.pt"))
    with pytest.raises(ValueError, match="not an LSTM of the published format"):
        from_torchscript(tmp_path / "other.pt")
    torch.save(Published().state_dict(), tmp_path / "plain.pt")
    with pytest.raises(ValueError, match="plain.pt is not TorchScript"):
        from_torchscript(tmp_path / "plain.pt")
