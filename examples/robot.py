"""A robot of your own: a puppy of four legs of two joints, checked, and an environment with weights for a light robot."""

import gymnasium

import locoenvs
from locoenvs.tasks import recipes
from locoenvs.tasks.robot import Body, Joint, Robot, Sphere
from locoenvs.tools.robot_check import check_robot

LEGS = {"LF": (0.2, 0.1), "RF": (0.2, -0.1), "LH": (-0.2, 0.1), "RH": (-0.2, -0.1)}  # places of the hips, m


def link(name, parent, position, default, mass):
    """A link of 0.2 m down from its joint, which turns about the left-right axis."""
    joint = Joint(f"{name}_joint", (0.0, 1.0, 0.0), -2.5, 2.5, 20.0, 20.0, default, 40.0, 0.5, 0.01)
    thin = (mass / 300, mass / 300, mass / 4000, 0.0, 0.0, 0.0)
    return Body(name, parent, position, mass, (0.0, 0.0, -0.1), thin, joint)


def bodies():
    yield Body("base", None, (0.0, 0.0, 0.0), 5.0, (0.0, 0.0, 0.0), (0.02, 0.08, 0.09, 0.0, 0.0, 0.0))
    for leg, (x, y) in LEGS.items():
        yield link(f"{leg}_thigh", "base", (x, y, 0.0), 0.5, 0.4)
        yield link(f"{leg}_shank", f"{leg}_thigh", (0.0, 0.0, -0.2), -1.0, 0.2)


THIGHS, SHANKS = ([f"{leg}_{part}" for leg in LEGS] for part in ("thigh", "shank"))
TIPS = [Sphere(name, (0.0, 0.0, -0.2), 0.02) for name in SHANKS]
TRUNK = [Sphere("base", (x, y, 0.0), 0.05) for x, y in LEGS.values()]
KNEES = [Sphere(name, (0.0, 0.0, -0.2), 0.02) for name in THIGHS]
SIDES = tuple((f"{leg}_{part}_joint", 1.0) for leg in ("RF", "LF", "RH", "LH") for part in ("thigh", "shank"))
PUPPY = Robot("puppy", tuple(bodies()), (*TRUNK, *KNEES, *TIPS), SHANKS, THIGHS, ["base"], 0.4, 0.25, mirror=SIDES)
flat = recipes.task(PUPPY, "flat", "walk", "pd").with_({"rewards.terms.joint_torques.weight": -2e-4})
locoenvs.register("Mine/Puppy-Flat-v0", flat)

if __name__ == "__main__":
    for check in check_robot(PUPPY)[0]:
        print("ok  " if check.passed else "look", check.name, check.finding)
    env = gymnasium.make("Mine/Puppy-Flat-v0", num_envs=16)
    env.reset(seed=0)
    print(env.step(0 * env.action_space.sample())[1])
