"""An observation slot of your own: a clock of the gait, which a policy may follow. It comes with its mirror image."""

import math
from typing import Annotated

import gymnasium
from pydantic import Field

import locoenvs
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.symmetry import mirror


@locoenvs.observation_slot(unit="1", size=2, mirror=(-1, -1))  # left and right are half a stride apart
def gait_clock(mdp: Mdp, episodes: Episodes, frequency: Annotated[float, Field(gt=0, le=10)] = 2.0) -> object:
    """sine and cosine of the phase of a stride, ``frequency`` Hz, from the episode's begin"""
    xp = mdp.xp
    phase = 2 * math.pi * frequency * mdp.task.timing.control_dt * xp.astype(episodes.step, xp.float32)
    return xp.stack([xp.sin(phase), xp.cos(phase)], axis=-1)


task = locoenvs.task("Loco/AnymalC-Flat-v0", recipe="walk", actuator="pd")
task = task.with_({"observations.slots.gait_clock": {"parameters": {"frequency": 1.5}}})

if __name__ == "__main__":
    env = gymnasium.make("Loco/AnymalC-Flat-v0", num_envs=8, task=task)
    env.reset(seed=0)
    slot = env.unwrapped.observation_layout[-1]
    print(slot.name, slot.unit, env.step(0 * env.action_space.sample())[0][0, slot.start : slot.stop])
    print(mirror(task).observation_sign[slot.start : slot.stop])
