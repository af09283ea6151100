"""``locoenvs actuator excite | fit | show``: logs of drives, networks fitted to them, and how they respond."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import Progress

from locoenvs import terminal
from locoenvs.evidence.plots import check_picture
from locoenvs.machine import versions
from locoenvs.tasks import drive
from locoenvs.tasks.drive import Network
from locoenvs.tools.drive_fit import fit, from_torchscript
from locoenvs.tools.drive_pictures import fit_picture, response_picture
from locoenvs.tools.excitation import excite, read_log

Text = Annotated[str, tyro.conf.Positional]
File = Annotated[Path, tyro.conf.Positional]


@dataclass(frozen=True)
class Excite:
    """Log what a drive's network does on a test bench, to fit another one to.

    Args:
        network: Name of a network of the suite, or its file.
        out: Log to write, CSV.
        trials: Joints, each under a load of its own.
        seconds: How long each trial lasts.
        limit: What torques are clipped at, N m.
        seed: Seed of loads and targets.
        trust_code: Load a TorchScript file (.pt). It is code, and loading it runs it.
    """

    network: Text
    out: Path = Path("log.csv")
    trials: int = 300
    seconds: float = 4.0
    limit: float = 80.0
    seed: int = 0
    trust_code: bool = False

    def run(self) -> None:
        if self.trials < 1 or self.seconds <= 0 or self.limit <= 0:
            raise ValueError(
                f"--trials {self.trials}, --seconds {self.seconds:g}, --limit {self.limit:g}: all must be positive"
            )
        log = excite(_network(self.network, self.trust_code), self.limit, self.trials, self.seconds, self.seed)
        log.write(self.out)
        terminal.console().print(f"log: {self.out}, {log.torque.size} samples at {1 / log.dt:.0f} Hz")


@dataclass(frozen=True)
class Fit:
    """Fit a network to a log of a drive: time (s), position_error (rad), velocity (rad/s), torque (N m), trial.

    Args:
        log: Log, CSV.
        out: Network to write, JSON; a picture goes beside it.
        name: What the network is called; the name of its file by default.
        source: Where the log comes from, for the network's provenance.
        seed: Seed of the first weights and of what is held out.
        epochs: Passes over the log at most.
        patience: Stop when the held-out error has not fallen for so many passes.
    """

    log: File
    out: Path = Path("drive.json")
    name: Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="(optional)")] = None
    source: str = ""
    seed: int = 0
    epochs: int = 300
    patience: int = 40

    def run(self) -> None:
        if self.epochs < 1 or self.patience < 1:
            raise ValueError(f"--epochs {self.epochs}, --patience {self.patience}: both must be at least 1")
        if self.out.suffix != ".json":
            raise ValueError(f"--out {self.out}: a network's file must end in .json")
        check_picture(self.out.with_suffix(".png"))  # an error now rather than after the fit
        console, log = terminal.console(), read_log(self.log)
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("fitting", total=self.epochs)

            def heard(epoch: int, train: float, held_out: float) -> None:
                said = f"fitting: error {train:.2f} N m, held out {held_out:.2f} N m"
                progress.update(bar, completed=epoch, description=said)

            name = self.name or self.out.stem
            result = fit(log, name, seed=self.seed, epochs=self.epochs, patience=self.patience, progress=heard)
        network = dataclasses.replace(
            result.network,
            provenance={
                "source": self.source,
                "log": {
                    "file": self.log.name,
                    "sha256": hashlib.sha256(self.log.read_bytes()).hexdigest(),
                    "trials": log.trials,
                    "samples": int(log.torque.size),
                },
                "seed": self.seed,
                "epochs": len(result.held_out_errors),
                "train_error": round(result.train_error, 4),
                "held_out_error": round(result.held_out_error, 4),
                "largest_torque": round(result.largest_torque, 4),
                "versions": versions("locoenvs", "torch", "numpy"),
            },
        )
        network.save(self.out)
        fit_picture(result, self.out.with_suffix(".png"))
        console.print(
            f"held-out error: {result.held_out_error:.3g} N m, {100 * result.share:.2g} % of the log's largest torque, "
            f"{result.largest_torque:.3g} N m; {len(result.held_out_errors)} passes\n"
            f"network: {self.out}, hash {network.hash}; picture: {self.out.with_suffix('.png')}",
        )


@dataclass(frozen=True)
class Show:
    """Draw how a drive's network answers steps and sines of its position error.

    Args:
        network: Name of a network of the suite, or its file.
        out: Picture to write.
        trust_code: Load a TorchScript file (.pt). It is code, and loading it runs it.
    """

    network: Text
    out: Path = Path("drive.png")
    trust_code: bool = False

    def run(self) -> None:
        network = _network(self.network, self.trust_code)
        response_picture(network, self.out)
        console = terminal.console()
        for name, value in network.provenance.items():
            console.print(f"{name}: {value}")
        console.print(f"picture: {self.out}")


Action = Annotated[
    Annotated[Excite, tyro.conf.subcommand("excite")]
    | Annotated[Fit, tyro.conf.subcommand("fit")]
    | Annotated[Show, tyro.conf.subcommand("show")],
    tyro.conf.OmitSubcommandPrefixes,
    tyro.conf.OmitArgPrefixes,
]


def _network(name: str, trust_code: bool) -> Network:
    """The network of that name. TorchScript files are code, and loaded only if that is said to be all right."""
    if not name.endswith((".pt", ".pth", ".jit")):
        return drive.load(name)
    if not trust_code:
        raise ValueError(
            f"{name} is TorchScript, which is code: loading it runs it. If you trust where it comes from, say --trust-code"
        )
    if not Path(name).is_file():
        raise FileNotFoundError(f"no file {name}")
    return from_torchscript(Path(name))
