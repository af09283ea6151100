"""A reward term of your own: feet that swing high enough above the ground below them. It runs on numpy, torch and JAX.

python reward_term.py --updates 20              # trains on native MuJoCo
python reward_term.py --updates 0 --backend mjx # steps under JAX
"""

import argparse
from typing import Annotated

import gymnasium
from pydantic import Field

import locoenvs
from locoenvs.mdp.rewards import Step
from locoenvs.training.learners import train


@locoenvs.reward_term()
def foot_clearance(s: Step, target: Annotated[float, Field(gt=0, le=1)] = 0.1) -> object:
    """Squared error of the feet's height over the ground to ``target`` m, times their horizontal speed, summed, m^3/s."""
    feet, xp = s.foot_position(), s.mdp.xp
    height = feet[..., 2] - s.ground_height(feet[..., 0], feet[..., 1])
    speed = xp.sqrt(xp.sum(s.readout.foot_velocity[..., :2] ** 2, axis=-1))
    return xp.sum((height - target) ** 2 * speed, axis=-1)


task = locoenvs.task("Loco/AnymalC-Rough-v0", actuator="pd").with_({"rewards.terms.foot_clearance": {"weight": -2.0}})
locoenvs.register("Mine/AnymalC-HighFeet-v0", task)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--num_envs", type=int, default=64)
    parser.add_argument("--backend", default="mujoco")
    arguments = vars(parser.parse_args())
    if arguments["updates"]:
        print(train("Mine/AnymalC-HighFeet-v0", **arguments))
    env = gymnasium.make("Mine/AnymalC-HighFeet-v0", num_envs=arguments["num_envs"], backend=arguments["backend"])
    env.reset(seed=0)
    print(env.step(0 * env.action_space.sample())[4]["reward_terms"]["foot_clearance"][:4])
