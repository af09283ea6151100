"""What Stable-Baselines3's PPO logs of an update whose epochs are learned one by one is of all of them."""

from __future__ import annotations

import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger

from locoenvs.wrappers.sb3.ppo import MEANS, TimeoutPPO


def test_losses_are_means_over_all_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TimeoutPPO.__new__(TimeoutPPO)
    model._logger, model.n_epochs, model.desired_kl, model.adaptive_rate = Logger(None, []), 3, 0.01, 1e-3
    done: list[int] = []

    def epoch(self: PPO) -> None:
        assert self.n_epochs == 1
        done.append(len(done) + 1)
        for name in (*MEANS, "train/approx_kl"):
            self.logger.record(name, float(done[-1] ** 2))

    monkeypatch.setattr(PPO, "train", epoch)
    model._learn_epochs()
    assert done == [1, 2, 3] and model.n_epochs == 3
    assert [model.logger.name_to_value[name] for name in MEANS] == [pytest.approx(14 / 3)] * len(MEANS)
    assert model.logger.name_to_value["train/approx_kl"] == 9  # the last epoch's, as the library has it
