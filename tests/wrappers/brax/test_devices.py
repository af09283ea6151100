"""Brax on two devices. In another process, as XLA makes its devices when it begins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("jax", "mujoco.mjx", "brax", "torch", "onnxruntime"):
    pytest.importorskip(package)

CODE = """
import json, sys
from pathlib import Path
from locoenvs.cli import app
from locoenvs.training.run import Run
from locoenvs.wrappers.brax.learner import BraxLearner

told, update = {"lie": [], "compiled": []}, BraxLearner.update

def watched(self):
    returned = update(self)
    array = self.state.pipeline_state.physics.qpos
    lie = sorted((shard.device.id, shard.index[0].start) for shard in array.addressable_shards)
    told["lie"].append(lie)
    told["compiled"].append([self._rollout._cache_size(), self._learn._cache_size()])
    return returned

BraxLearner.update, folder = watched, sys.argv[1]
words = ["train", "--panels", "none", "--validate-every", "0"]
new = ["Loco/AnymalC-Flat-v0", "--learner", "brax", "--backend", "mjx", "--device", "cpu", "--num-envs", "4", "--recipe", "walk"]
new += ["--actuator", "pd", "--options", "devices=2", "--run", folder]
for field, value in (("ppo.horizon", 2), ("ppo.epochs", 1), ("ppo.minibatches", 2), ("ppo.hidden", [8])):
    new += ["--set", f"{field}={json.dumps(value)}"]
app.main([*words, *new, "--updates", "2"])
app.main([*words, "--resume", folder, "--updates", "3"])
run = Run(Path(folder))
told["options"] = run.recipe()["options"]
told["updates"] = [line["update"] for line in run.records() if line["kind"] == "update"]
print(json.dumps(told))
"""


@pytest.mark.slow
def test_it_trains_on_two_devices_and_goes_on(tmp_path: Path) -> None:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    ran = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "run")],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["lie"] == [[[0, 0], [1, 2]]] * 3, "two robots on each device, also after the run was gone on with"
    assert told["compiled"] == [[1, 1]] * 3, "nothing lies elsewhere after an update, or after the run was gone on with"
    assert told["updates"] == [1, 2, 3] and told["options"]["devices"] == 2
    assert (tmp_path / "run" / "policy" / "policy.onnx").is_file()
