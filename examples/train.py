"""Train from a script, by any learner, judge what it learned on what is held out, and use it.

python train.py                        # RSL-RL, ANYmal C on flat ground
python train.py --learner skrl         # or sb3, rl_games, brax, skrl_jax: whatever `locoenvs list` names
"""

import argparse

import gymnasium

from locoenvs.policies.policy import load_policy
from locoenvs.training.judging import judge
from locoenvs.training.learners import train

ENV = "Loco/AnymalC-Flat-v0"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learner", default="rsl_rl")
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--num_envs", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--panel", default="flat")
    arguments = vars(parser.parse_args())
    panel = arguments.pop("panel")

    run = train(ENV, recipe="walk", actuator="pd", **arguments)
    metrics = judge(run, [panel])[panel].metrics
    for name in ("success_rate", "fall_rate", "velocity_error", "cost_of_transport"):
        print(f"{name}: {metrics[name].value:.3f} ({metrics[name].low:.3f} to {metrics[name].high:.3f})")

    policy = load_policy(run / "policy")  # no learner is needed from here on
    env = gymnasium.make(ENV, num_envs=4, task=policy.task)
    seen, _ = env.reset(seed=0)
    for _ in range(50):
        seen, reward, *_ = env.step(policy(seen))
    print("reward in the last step:", reward)
    print(run)
