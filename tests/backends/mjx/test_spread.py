"""Robots on two devices do what they do on one, robot by robot, on rough ground and learned drives. In another process, as XLA makes its devices when it begins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")

import jax

from locoenvs.backends.mjx import device as memory
from locoenvs.backends.mjx.spread import spread_over

CODE = """
import json, jax, jax.numpy as jnp, numpy as np
import locoenvs
from locoenvs.backends.mjx import simulator

ROBOTS = 8
make = lambda devices: locoenvs.functional(
    "Loco/AnymalC-Rough-v0", ROBOTS, recipe="walk", actuator="lstm", device="cpu", devices=devices
)
checked = []
simulator.check_memory = lambda count, _, *devices: checked.append([count, len(devices)])
one, two = make(1), make(2)
leaves = lambda tree: {jax.tree_util.keystr(path): np.array(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
random, told = np.random.default_rng(0), {"differ": {}, "checked": checked}
begun, beside = one.reset(3), two.reset(3)
told["reset"] = [name for name, value in leaves(begun).items() if (value != leaves(beside)[name]).any()]
state = begun[0]
for step in range(4):
    action = random.normal(size=(ROBOTS, 12)).astype(np.float32)
    # Both from the same state, or one rounding would lead to others.
    there = jax.tree.map(lambda leaf: jnp.asarray(np.array(leaf)), state)
    state, first = one.step(state, jnp.asarray(action))
    spread, second = two.step(there, jnp.asarray(action))
    ours, theirs = leaves((state, first)), leaves((spread, second))
    for name, value in ours.items():
        off = np.abs(value.astype(float) - theirs[name].astype(float)).max() / max(np.abs(value).max(), 1.0)
        told["differ"][name] = max(float(off), told["differ"].get(name, 0.0))
told["lie"] = {
    name: sorted((shard.device.id, [part.start for part in shard.index[:1]]) for shard in array.addressable_shards)
    for name, array in {"qpos": spread.physics.qpos, "reward": second.reward, "clock": spread.clock}.items()
}
print(json.dumps(told))
"""


def test_two_devices_do_what_one_does() -> None:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    ran = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["checked"] == [[8, 1], [8, 2]], "memory: of each device for its share"
    assert told["reset"] == [], "bit by bit"
    assert told["lie"] == {"qpos": [[0, [0]], [1, [4]]], "reward": [[0, [0]], [1, [4]]], "clock": [[0, []], [1, []]]}
    differ = told["differ"]
    exact = (
        "key",
        "number",
        "step",
        "level",
        "start_position",
        "last_action",
        "contact",
        "terminated",
        "truncated",
        "reason",
    )
    drawn = {name for name in differ if name.endswith(exact)}
    assert len(drawn) >= 8 and all(differ[name] == 0 for name in drawn), "what is drawn and decided: bit by bit"
    # XLA compiles a program of two devices with other roundings, which the solver's contacts make most of: 0.05 N of 420.
    assert max(differ.values()) < 5e-4


def device(index: int) -> Any:
    return SimpleNamespace(id=index, platform="cpu", __str__=lambda self: f"cpu:{index}")


@pytest.mark.parametrize(
    ("count", "robots", "impl", "said"),
    [
        (0, 8, "jax", "devices=0: must be from 1 to 4"),
        (5, 8, "jax", "devices=5: must be from 1 to 4"),
        (True, 8, "jax", "devices=True: must be from 1 to 4"),
        ("2", 8, "jax", "devices='2': must be from 1 to 4"),
        (2, 8, "warp", "devices=2: impl='warp' makes its kernels' arrays for one"),
        (3, 8, "jax", "devices=3: num_envs=8 is no multiple of that"),
    ],
)
def test_what_cannot_be_is_refused(
    count: Any, robots: int, impl: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [device(index) for index in range(4)]
    monkeypatch.setattr(jax, "devices", lambda platform: there)
    with pytest.raises(ValueError, match=said):
        spread_over(count, there[0], robots, impl)
    assert spread_over(1, there[0], robots, impl) is None


def test_each_device_must_hold_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    there, free = [device(index) for index in range(4)], [100, 100, 100, 49]
    monkeypatch.setattr(memory, "free_bytes", lambda device: free[device.id])
    memory.check_memory(100, 1, *there[:3])
    memory.check_memory(196, 1, *there)
    with pytest.raises(ValueError, match="num_envs=200: .* each the 50 of a device need .* It holds about 49 robots"):
        memory.check_memory(200, 1, *there)
    with pytest.raises(ValueError, match="num_envs=101: .* KiB each they need"):
        memory.check_memory(101, 1, there[0])


def test_devices_are_counted_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [device(index) for index in range(4)]
    monkeypatch.setattr(jax, "devices", lambda platform: there)
    with pytest.raises(ValueError, match="must be from 1 to 2"):
        spread_over(3, there[2], 6, "jax")
