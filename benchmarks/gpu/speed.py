"""Control steps a second: the whole environment, bare physics, and with a network that acts."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from locoenvs.benchmarks.gpu.device import environment, implementation, memory, random_actions, simulator, wait
from locoenvs.benchmarks.gpu.plan import ACTUATOR, IDS, Ground, Job, Plan
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.policies.policy import POLICIES, Layer, load_policy
from locoenvs.wrappers.ppo import config


def speed(job: Job, ground: Ground, robots: int, **options: object) -> dict[str, Any]:
    """Control steps a second: the whole environment and bare physics in turns, and with a network that acts."""
    import jax

    plan = job.plan
    begun = time.perf_counter()
    env = environment(job, ground, robots, **options)
    env.reset(seed=0)
    actions = random_actions(env, plan.turn)
    env.step(actions[0])
    wait(env)
    compiling = time.perf_counter() - begun
    advance = simulator(env).compile(_bare, env.mdp, donate=True)
    for t in range(plan.settle):
        env.step(actions[t % len(actions)])
    rates: dict[str, list[float]] = {"whole": [], "bare": []}
    for turn in range(plan.turns):
        physics = jax.tree.map(lambda a: a.copy(), env.state.physics)
        wait(env)
        start = time.perf_counter()
        for action in actions:
            env.step(action)
        wait(env)
        whole = time.perf_counter() - start
        start = time.perf_counter()
        for action in actions:
            physics = advance(physics, action)
        jax.block_until_ready(physics)
        bare = time.perf_counter() - start
        if turn:  # the first one compiles
            rates["whole"].append(plan.turn * robots / whole)
            rates["bare"].append(plan.turn * robots / bare)
    rates |= {f"with {name}": _acting(env, network, plan) for name, network in networks(ground).items()}
    result = {
        "impl": simulator(env).name,
        "robots": robots,
        "control_steps_per_second": {name: round(statistics.median(values)) for name, values in rates.items()},
        "bare_to_whole": round(statistics.median(b / w for b, w in zip(rates["bare"], rates["whole"])), 3),
        "first_step_seconds": round(compiling, 1),
        "memory": memory(env),
        "repeats": {name: [round(rate) for rate in values] for name, values in rates.items()},
    }
    env.close()
    return result


def graph_speed(job: Job, robots: int, mode: str) -> dict[str, Any]:
    """The speed on flat ground with one of Warp's ways to record CUDA graphs, where it is Warp that steps."""
    name = implementation(job)
    if name != "mjx-warp":
        return {"skipped": f"Warp records graphs, and this is {name}"}
    return speed(job, "flat", robots, graph=mode)


def _bare(mdp: Any, simulator: Any, physics: Any, action: Any) -> Any:
    """One control step of the engine, and nothing of the task."""
    return simulator.advance(physics, mdp.default_pose + mdp.task.robot.action_scale * action)[0]


def networks(ground: Ground) -> dict[str, list[Layer]]:
    """Networks to act with, as layers: the paper's, untrained, and the shipped policy's if there is one."""
    task = task_of(IDS[ground], actuator=ACTUATOR)
    draw = np.random.default_rng(0)
    sizes = (48 if ground == "flat" else 48 + task.observations.heights.size, *config(task).hidden, 12)  # type: ignore[union-attr]
    untrained = [
        ((draw.standard_normal((after, before)) / np.sqrt(before)).astype(np.float32), np.zeros(after, np.float32))
        for before, after in zip(sizes[:-1], sizes[1:])
    ]
    policies = {"an untrained network": untrained}
    folder = POLICIES / f"{task.robot.name}_{ground}"
    if folder.is_dir():
        policies["the shipped policy"] = load_policy(folder).layers()
    return policies


def _acting(env: LocoVectorEnv, layers: list[Layer], plan: Plan) -> list[float]:
    """Control steps a second with a torch network in the loop."""
    import torch

    env.array = "torch"
    observation, _ = env.reset(seed=0)
    device = observation.device
    parts: list[torch.nn.Module] = []
    for weight, bias in layers:
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = torch.tensor(weight), torch.tensor(bias)
        parts += [linear, torch.nn.ELU()]
    network = torch.nn.Sequential(*parts[:-1]).to(device)
    rates = []
    with torch.inference_mode():
        for turn in range(plan.turns):
            start = time.perf_counter()
            for _ in range(plan.turn if turn else plan.settle):
                observation, *_ = env.step(network(observation))
            wait(env)
            if turn:
                rates.append(plan.turn * env.num_envs / (time.perf_counter() - start))
    env.array = "jax"
    return rates
