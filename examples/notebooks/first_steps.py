# %% [markdown]
# # First steps
#
# A batch of robots, what they see, what pays, and a policy that walks. A few minutes on a CPU.

# %%
import importlib.util
import os
import subprocess
import sys

SOURCE = "locoenvs"  # what to install where it is missing: a name on PyPI, a wheel, or the folder of a checkout
if importlib.util.find_spec("locoenvs") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"{SOURCE}[walk]"], check=True)
if "google.colab" in sys.modules:
    subprocess.run("apt-get -qq install -y libosmesa6", shell=True, check=True)  # draws pictures without a GPU
os.environ.setdefault("MUJOCO_GL", "osmesa")

# %% [markdown]
# ## A batch of robots
#
# `num_envs` robots are stepped together. One step is 20 ms: the action holds for four steps of the physics.

# %%
import gymnasium

import locoenvs  # registers the ids

ROBOTS, STEPS = 64, 250

print(locoenvs.__version__)
env = gymnasium.make("Loco/AnymalC-Flat-v0", num_envs=ROBOTS, actuator="pd")
observation, info = env.reset(seed=0)
observation.shape, env.action_space.shape

# %% [markdown]
# What each of the numbers is, is data:

# %%
for slot in env.unwrapped.observation_layout:
    print(f"{slot.start:3d} to {slot.stop:3d}  {slot.name:24s} {slot.unit:6s} scale {slot.scale}  noise {slot.noise}")

# %% [markdown]
# ## Random actions
#
# The reward comes with its terms, which sum to it, but for the clip at zero. Robots that are done begin their next episode within the step.

# %%
import numpy as np


def average(act):
    """Mean of each reward term per second, and how episodes ended, with actions act(observation)."""
    seen, _ = env.reset(seed=0)
    terms, ended = {}, np.zeros(len(env.unwrapped.reset_reasons), int)
    for _ in range(STEPS):
        seen, reward, terminated, truncated, info = env.step(act(seen))
        for name, value in info["reward_terms"].items():
            terms[name] = terms.get(name, 0) + value.mean() / (STEPS * env.unwrapped.task.timing.control_dt)
        ended += np.bincount(info["reset_reason"], minlength=len(ended))
    return terms, dict(zip(env.unwrapped.reset_reasons[1:], ended[1:].tolist()))


random = np.random.default_rng(0)
thrash, ended = average(lambda seen: random.normal(size=env.action_space.shape).astype(np.float32))
ended

# %% [markdown]
# Robots that fell have `terminated`. Those whose time ran out have `truncated`, which is no failure: `info["time_outs"]` marks them, and
# `info["final_obs"]` holds the observation whose value a critic should take.
#
# ## A policy that walks
#
# Policies are two files, a network and a description. Some are shipped.

# %%
from locoenvs.policies.policy import POLICIES, load_policy

policy = load_policy(POLICIES / "anymal_c_flat")
walk, ended = average(policy)
print(sorted(each.name for each in POLICIES.iterdir() if each.is_dir()))
ended

# %%
import matplotlib.pyplot as plt

names = sorted(walk, key=lambda name: -abs(walk[name]))
figure, axes = plt.subplots(figsize=(7, 4))
places = np.arange(len(names))
axes.barh(places - 0.2, [thrash[name] for name in names], 0.4, label="random actions")
axes.barh(places + 0.2, [walk[name] for name in names], 0.4, label="shipped policy")
axes.set_yticks(places, names)
axes.invert_yaxis()
axes.set_xlim(-0.6, 1.2)
axes.set_xlabel("reward per second; longer bars are cut")
axes.legend()
figure.tight_layout()

# %% [markdown]
# ## One robot, looked at

# %%
one = gymnasium.make("Loco/AnymalC-Flat-v0", actuator="pd", render_mode="rgb_array", width=320, height=240)
seen, _ = one.reset(seed=1)
pictures = []
for step in range(40):
    seen, *_ = one.step(policy(seen[None])[0])
    if step % 10 == 9:
        pictures.append(one.render())
plt.figure(figsize=(12, 3))
plt.imshow(np.concatenate(pictures, axis=1))
plt.axis("off")
one.close()
env.close()

# %% [markdown]
# Next: a task of your own, and how to read evidence, in the notebooks beside this one. `make walk` in a checkout trains such a policy in a quarter of an hour.
