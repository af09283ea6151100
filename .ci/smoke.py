"""Make and step environments from an installed wheel, with the base dependencies only."""

import importlib.util
import sys

import gymnasium
import mujoco
import numpy as np

import locoenvs

assert "site-packages" in locoenvs.__file__, f"not the installed wheel: {locoenvs.__file__}"
for learner in ("torch", "rsl_rl", "jax"):
    assert importlib.util.find_spec(learner) is None, f"{learner} came with the base dependencies"

assert mujoco.__version__.startswith("4.0."), f"the base dependencies brought MuJoCo {mujoco.__version__}"

env = gymnasium.make("Loco/AnymalC-Flat-v0", num_envs=4)
observation, _ = env.reset(seed=0)
assert observation.shape == (4, 48), observation.shape
for _ in range(10):
    observation, reward, terminated, truncated, info = env.step(np.zeros((4, 12), np.float32))
assert np.isfinite(observation).all() and np.isfinite(reward).all()
assert reward.shape == terminated.shape == truncated.shape == (4,)
env.close()

env = gymnasium.make("Loco/AnymalC-Rough-v0")
env.reset(seed=0)
observation, *_ = env.step(env.action_space.sample())
assert observation in env.observation_space, "the unbatched observation is outside its space"
env.close()
print("made, stepped and closed:", sorted(name for name in gymnasium.registry if name.startswith("Loco/")))
print("Python", sys.version, "MuJoCo", mujoco.__version__)
