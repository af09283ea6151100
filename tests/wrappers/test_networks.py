"""Networks that act in the mirror image of a state by the mirror image of the action."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")

import torch
from tensordict import TensorDict

from locoenvs.envs.registration import task
from locoenvs.mdp.symmetry import mirror
from locoenvs.wrappers.networks import MirrorLinear, mlp
from locoenvs.wrappers.rsl_rl.ppo import MirrorMLPModel


@pytest.mark.parametrize("env_id", ["Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"])
def test_actions_are_mirrored_and_values_are_the_same(env_id: str) -> None:
    image = mirror(task(env_id))
    size = len(image.observation_index)
    seen = torch.randn(32, size, generator=torch.Generator().manual_seed(0))
    mirrored = torch.as_tensor(image.observation_sign) * seen[:, image.observation_index.copy()]
    groups = {"actor": ["policy"], "critic": ["policy"]}
    torch.manual_seed(0)
    for name, outputs in (("actor", 12), ("critic", 1)):
        data = TensorDict({"policy": seen}, batch_size=[32])
        network = MirrorMLPModel(data, groups, name, outputs, image, hidden_dims=[16, 8], activation="elu")
        here, there = network(data), network(TensorDict({"policy": mirrored}, batch_size=[32]))
        expected = torch.as_tensor(image.action_sign) * here[:, image.action_index.copy()] if name == "actor" else here
        torch.testing.assert_close(there, expected, rtol=0, atol=1e-5)
        assert float(here.detach().std()) > 0.01


def test_layers_start_as_wide_as_ordinary_ones() -> None:
    image = mirror(task("Loco/AnymalC-Flat-v0"))
    torch.manual_seed(0)
    pair = (image.observation_index, image.observation_sign)
    weight, _ = MirrorLinear(pair, pair).projected()
    assert float(weight.detach().std()) == pytest.approx(float(torch.nn.Linear(48, 48).weight.detach().std()), rel=0.1)


def test_a_symmetric_network_may_still_tell_left_from_right() -> None:
    """What it does in one state is not its own mirror image."""
    image = mirror(task("Loco/AnymalC-Flat-v0"))
    torch.manual_seed(0)
    network = mlp(48, (16, 8), 12, "elu", image)
    actions = network(torch.randn(32, 48, generator=torch.Generator().manual_seed(0))).detach()
    mirrored = torch.as_tensor(image.action_sign) * actions[:, image.action_index.copy()]
    assert float((actions - mirrored).std()) > 0.5 * float(actions.std())
