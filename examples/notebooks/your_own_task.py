# %% [markdown]
# # A task of your own
#
# A task is data: change a weight, write a reward term, draw the ground, train a little. A few minutes on a CPU.

# %%
import importlib.util
import subprocess
import sys

SOURCE = "locoenvs"  # what to install where it is missing: a name on PyPI, a wheel, or the folder of a checkout
if importlib.util.find_spec("locoenvs") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"{SOURCE}[walk]"], check=True)

# %% [markdown]
# ## Change what is there
#
# Any field, by its name. What does not exist is refused, with the nearest name.

# %%
import locoenvs

ROBOTS, UPDATES = 256, 30

task = locoenvs.task("Loco/AnymalC-Flat-v0", recipe="walk", actuator="pd")
smooth = task.with_({"rewards.terms.action_rate.weight": -0.05})
print(task.hash, task.recipe)
print(smooth.hash, smooth.recipe)

# %%
try:
    task.with_({"rewards.terms.action_rat.weight": -0.05})
except ValueError as error:
    print(error)

# %% [markdown]
# ## A reward term
#
# A function of a step, with numbers that a task may give it. It runs on numpy, torch and JAX, so use `s.mdp.xp` and no `if` on arrays.

# %%
from typing import Annotated

from pydantic import Field

from locoenvs.mdp.rewards import Step


@locoenvs.reward_term()
def foot_clearance(s: Step, target: Annotated[float, Field(gt=0, le=1)] = 0.1) -> object:
    """Squared error of the feet's height over the ground to ``target`` m, times their horizontal speed, summed, m^3/s."""
    feet, xp = s.foot_position(), s.mdp.xp
    height = feet[..., 2] - s.ground_height(feet[..., 0], feet[..., 1])
    speed = xp.sqrt(xp.sum(s.readout.foot_velocity[..., :2] ** 2, axis=-1))
    return xp.sum((height - target) ** 2 * speed, axis=-1)


mine = task.with_({"rewards.terms.foot_clearance": {"weight": -2.0, "parameters": {"target": 0.12}}})
locoenvs.register("Mine/AnymalC-HighFeet-v0", mine)

# %%
import gymnasium

env = gymnasium.make("Mine/AnymalC-HighFeet-v0", num_envs=4)
env.reset(seed=0)
*_, info = env.step(env.action_space.sample() * 0)
env.close()
info["reward_terms"]["foot_clearance"]

# %% [markdown]
# ## The ground
#
# A map of tiles, easy to hard. Shares say how many columns each kind takes.

# %%
from pathlib import Path

from IPython.display import Image

from locoenvs.evidence.pictures import terrain_picture

stairs = locoenvs.task("Loco/AnymalC-Rough-v0").with_(
    {
        "terrain.levels": 4,
        "terrain.columns": 4,
        "terrain.shares": [
            {"kind": "stairs_up", "share": 0.5, "parameters": {"riser": [0.05, 0.3]}},
            {"kind": "obstacles", "share": 0.5},
        ],
    }
)
terrain_picture(stairs.terrain, Path("ground.png"))
Image("ground.png", width=600)

# %% [markdown]
# ## Train it
#
# Thirty updates are a minute or two, and not enough to walk: a few hundred are. Everything about the run lies in its folder.

# %%
from locoenvs.training.learners import train

run = train(
    "Mine/AnymalC-HighFeet-v0", num_envs=ROBOTS, updates=UPDATES, run="runs/high-feet", validate_every=0, seed=0
)
sorted(path.name for path in run.iterdir())

# %%
import json

import matplotlib.pyplot as plt

lines = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
updates = [line for line in lines if line["kind"] == "update"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3))
axes[0].plot([line["update"] for line in updates], [line["reward_per_second"] for line in updates])
axes[0].set_ylabel("reward per second")
axes[1].plot([line["update"] for line in updates], [line["terms_per_second"]["foot_clearance"] for line in updates])
axes[1].set_ylabel("of it, foot_clearance")
for each in axes:
    each.set_xlabel("update")
figure.tight_layout()

# %% [markdown]
# Go on with `train(..., resume="runs/high-feet", updates=300)`: episodes, physics and random numbers go on too.
