"""A randomization of your own: in each episode one motor of each robot, another one each time, has a part of its torque only."""

from typing import Annotated

import gymnasium
from pydantic import Field

import locoenvs
from locoenvs.mdp.draws import Draw
from locoenvs.mdp.mdp import Mdp

Share = Annotated[float, Field(ge=0, le=1)]


@locoenvs.randomization("drive", quantities=("strength",))
def tired_motor(draw: Draw, mdp: Mdp, least: Share = 0.2, most: Share = 0.6) -> dict[str, object]:
    """One motor gives between ``least`` and ``most`` of its torque."""
    xp, drawn = mdp.xp, draw(2)  # which motor, and how weak it is: the same numbers as long as the episode lasts
    weak = xp.arange(mdp.num_joints)[None, :] == xp.astype(drawn[:, :1] * mdp.num_joints, xp.int32)
    return {"strength": xp.where(weak, least + (most - least) * drawn[:, 1:], xp.ones_like(drawn[:, :1]))}


task = locoenvs.task("Loco/AnymalC-Flat-v0", actuator="pd").with_(
    {"randomization.terms.tired_motor": {"parameters": {"most": 0.4}}, "randomization.terms.action_delay": {}}
)

if __name__ == "__main__":
    env = gymnasium.make("Loco/AnymalC-Flat-v0", num_envs=8, task=task)
    env.reset(seed=0)
    print(task.recipe, env.step(0 * env.action_space.sample())[1])
