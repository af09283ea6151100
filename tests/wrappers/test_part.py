"""A process's part of the minibatches and the exploration of all robots."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from locoenvs.training.ranks import Ranks
from locoenvs.wrappers.part import Part

ROBOTS, STEPS, SIZE = 7, 5, 3
PARTS = [Part(Ranks(rank, SIZE), ROBOTS) for rank in range(SIZE)]


def test_the_parts_of_a_minibatch_are_its_samples_once_each() -> None:
    flat = torch.arange(STEPS * ROBOTS)
    rollouts = [flat.reshape(STEPS, ROBOTS)[:, part.own.start : part.own.stop].reshape(-1) for part in PARTS]
    for samples in torch.tensor_split(torch.randperm(STEPS * ROBOTS, generator=torch.Generator().manual_seed(1)), 4):
        parts = [part.own_samples(samples) for part in PARTS]
        found = torch.cat([rollout[own] for rollout, (own, weight) in zip(rollouts, parts) if weight])
        assert sorted(found.tolist()) == sorted(samples.tolist())


def test_the_weighed_mean_over_processes_is_that_of_the_minibatch() -> None:
    values = torch.randn(STEPS * ROBOTS, dtype=torch.float64)
    samples = torch.tensor([0, 1, 7, 8, 14, 6, 13])  # none of the second process
    mean = 0.0
    for part in PARTS:
        rows, weight = part.own_samples(samples)
        own = values.reshape(STEPS, ROBOTS)[:, part.own.start : part.own.stop].reshape(-1)
        mean += weight * float(own[rows].mean()) / SIZE
        assert len(rows) >= 1
    assert mean == pytest.approx(float(values[samples].mean()), abs=1e-12)
    assert PARTS[1].own_samples(samples)[1] == 0.0


def test_a_process_without_a_sample_counts_none() -> None:
    log_ratio = torch.tensor([0.5])
    parts = [Part(Ranks(rank, SIZE), ROBOTS) for rank in range(SIZE)]
    for part in parts:
        _, part.weight = part.own_samples(torch.tensor([0, 6]))  # of the first and the last process
    assert [part.moved(log_ratio, 0.2)[2] for part in parts] == [1, 0, 1]
    assert not parts[1].moved(log_ratio, 0.2).any()


def test_the_exploration_of_all_is_what_one_process_draws() -> None:
    torch.manual_seed(3)
    whole = torch.distributions.Normal(torch.zeros(ROBOTS, 4), torch.ones(ROBOTS, 4)).sample()
    found = []
    for part in PARTS:
        torch.manual_seed(3)
        found.append(part.noise(torch.zeros(len(part.own), 4)))
    assert torch.equal(torch.cat(found), whole)
