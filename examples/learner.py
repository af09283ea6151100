"""A learner of your own: random search, with numpy alone. It passes check_learner."""

import time

import numpy as np

from locoenvs import LocoVectorEnv
from locoenvs.policies.policy import save_policy
from locoenvs.testing import check_learner
from locoenvs.training.begin import begin

STEPS, SPREAD = 50, 0.02


def random_search(env_id, settings, task=None):
    """Keep a linear policy with noise on its weights if it earns more than the one before."""
    asked = {"num_envs": settings.num_envs or 64, "updates": settings.updates or 20}
    run, recipe, task = begin("random_search", settings, task, asked)
    robots, seed = recipe["random_search"]["num_envs"], recipe["seed"]
    env = LocoVectorEnv(task, robots, backend=recipe["backend"], options=recipe["options"])
    shape = env.single_action_space.shape + env.single_observation_space.shape
    weights, best, first, spent = np.zeros(shape, np.float32), -np.inf, 1, 0.0
    if run.checkpoint.exists():
        saved = np.load(run.checkpoint)
        weights, (best, first, spent) = saved["weights"], (saved[name].item() for name in ("best", "next", "spent"))
    for update in range(first, (settings.updates or recipe["random_search"]["updates"]) + 1):
        begun, noise = time.perf_counter(), np.random.default_rng((seed, update)).normal(size=shape)
        tried, total, (seen, _) = (weights + SPREAD * noise).astype(np.float32), 0.0, env.reset(seed=seed)
        for _ in range(STEPS):
            seen, reward, *_ = env.step(seen @ tried.T)
            total += float(reward.mean()) / (STEPS * task.timing.control_dt)
        weights, best = (tried, total) if total > best else (weights, best)
        took = time.perf_counter() - begun
        spent += took
        counted = {"samples": update * STEPS * robots, "samples_per_second": STEPS * robots / took}
        run.record("update", update=update, elapsed_seconds=spent, reward_per_second=total, best=best, **counted)
        state = {"weights": weights, "best": best, "next": update + 1, "spent": spent}
        run.save_checkpoint(lambda file, state=state: np.savez(file, **state))
    save_policy(run.policy, task, [(weights, np.zeros(shape[0], np.float32))], provenance={"environment": env_id})
    return run.folder


if __name__ == "__main__":
    print(check_learner(random_search))
