"""One control step and one reset of all robots: pure functions on the array namespace of their inputs.

The order of a control step:

1. clip the action; joint target = default pose + scale * action
2. physics: ``decimation`` times (actuator torque, physics step)
3. readout; count the step
4. resample due commands; heading error -> yaw-rate command; due pushes
5. terminated (base contact, broken physics), truncated (time limit or edge of the map, and not terminated)
6. the reward terms, each kept apart, then the total
7. the final observation of the robots that are done
8. those robots only: curriculum, new command, new start state, new stream
9. the observation of all robots, with noise

Steps 1 to 7 are :func:`advance`, 8 is :func:`reset`; :func:`step` is all of them. Rewards see the velocity before a
push, the observation that the next action is chosen from sees it after.
"""

from __future__ import annotations

import dataclasses
import functools
import operator

from locoenvs.mdp import commands, curriculum, pushes
from locoenvs.mdp.draws import drive_numbers, physics_numbers
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.observations import observe
from locoenvs.mdp.rewards import Step, disturbance_factor, reward_terms, squared_norm
from locoenvs.mdp.sensing import remembered
from locoenvs.mdp.start import begin
from locoenvs.mdp.state import EnvState, Episodes, Readout, Simulator, Transition
from locoenvs.mdp.terrain import EDGE
from locoenvs.numerics import rng, rows
from locoenvs.numerics.arrays import Array, device_of
from locoenvs.tasks.vocabulary import REWARD_TERMS, TERMINATIONS


def step(mdp: Mdp, simulator: Simulator, state: EnvState, action: Array) -> tuple[EnvState, Transition]:
    """One control step of all robots with actions (num_envs, J); robots that are done begin their next episode."""
    state, transition = advance(mdp, simulator, state, action)
    done = transition.terminated | transition.truncated
    state = reset(mdp, simulator, state, done)
    observation = rows.replace(
        done, transition.final_observation, lambda episodes: observe(mdp, episodes), state.episodes
    )
    return state, dataclasses.replace(transition, observation=observation)


def advance(
    mdp: Mdp, simulator: Simulator, state: EnvState, action: Array, idle: Array | None = None
) -> tuple[EnvState, Transition]:
    """One control step of all robots without any reset; both observations are of the state that it led to.

    Robots of the mask ``idle`` (num_envs,) wait to be reset: their episode stands still and they earn nothing.
    """
    xp, task, before = mdp.xp, mdp.task, state.episodes
    bad = ~xp.all(xp.isfinite(action), axis=-1)
    action = rows.select(bad, before.last_action, action).clip(-task.action_clip, task.action_clip)
    physics, readout = _advanced(mdp, simulator, state, action)
    broken = readout.broken | bad
    readout = dataclasses.replace(rows.select(broken, before.readout, readout), broken=broken)
    count = before.step + 1

    disturbance = disturbance_factor(mdp, state.clock)
    command = commands.resampled(mdp, before.command, before.key, before.number, count, disturbance)
    command = commands.steered(mdp, command, readout.base_quaternion)
    physics, pushed = _pushed(mdp, simulator, physics, before, count, readout, disturbance)

    foot_contact = readout.contact_force[:, mdp.feet, 2] > task.rewards.foot_contact_force
    touching = foot_contact | before.contact
    air_time = before.air_time + task.timing.control_dt
    moment = Step(
        mdp=mdp,
        readout=readout,
        command=command,
        action=action,
        last_action=before.last_action,
        last_joint_velocity=before.joint_velocity,
        air_time=air_time,
        first_contact=touching & (before.air_time > 0),
        foot_contact=foot_contact,
        terminated=readout.broken,
    )
    failures = {
        name: TERMINATIONS[name].function(moment, **entry.parameters) for name, entry in task.terminations.items()
    }
    terminated = functools.reduce(operator.or_, failures.values(), readout.broken)
    late = count >= task.timing.max_episode_steps
    truncated = (late | _at_the_edge(mdp, readout)) & ~terminated

    terms = reward_terms(dataclasses.replace(moment, terminated=terminated), state.clock)
    speed = xp.sqrt(squared_norm(command[:, :2]))
    after = Episodes(
        robot=before.robot,
        key=before.key,
        number=before.number,
        step=count,
        level=before.level,
        column=before.column,
        command=command,
        last_action=action,
        joint_velocity=readout.joint_velocity,
        air_time=xp.where(touching, xp.zeros_like(air_time), air_time),
        contact=foot_contact,
        start_position=before.start_position,
        commanded_distance=before.commanded_distance + speed * task.timing.control_dt,
        sums=before.sums + xp.stack(list(terms.values()), axis=-1),
        readout=pushed,
        sensed=remembered(mdp, before),
    )
    if idle is not None:
        after = rows.select(idle, before, after)
        terminated, truncated = terminated & ~idle, truncated & ~idle
        terms = {name: xp.where(idle, xp.zeros_like(value), value) for name, value in terms.items()}
    observation = observe(mdp, after)
    transition = Transition(
        observation=observation,
        final_observation=observation,
        reward=_total(mdp, terms),
        terminated=terminated,
        truncated=truncated,
        reset_reason=_reason(mdp, count, late, truncated, readout.broken, terminated, failures),
        reward_terms=terms,
        log=_log(mdp, after, terminated | truncated),
    )
    return EnvState(after, state.clock + 1, physics), transition


def reset(mdp: Mdp, simulator: Simulator, state: EnvState, mask: Array) -> EnvState:
    """The state with the robots of ``mask`` at the beginning of their next episode."""

    def begin_next(episodes: Episodes) -> Episodes:
        level = curriculum.next_level(mdp, episodes) if mdp.task.curriculum.enabled else episodes.level
        return begin(mdp, episodes.robot, episodes.key, episodes.number + 1, level, episodes.column)

    episodes = rows.replace(mask, state.episodes, begin_next, state.episodes)
    return dataclasses.replace(state, episodes=episodes, physics=simulator.place(state.physics, mask, episodes.readout))


def step_then_wait(
    mdp: Mdp, simulator: Simulator, state: EnvState, action: Array, waiting: Array | None
) -> tuple[EnvState, Transition, Array]:
    """A step that begins the next episode of the robots that were ``waiting``, whose action it ignores.

    Returns also the robots that are done now, and wait: for the next step, or for the caller to reset them.
    """
    state, transition = advance(mdp, simulator, state, action, idle=waiting)
    if waiting is not None:
        state = reset(mdp, simulator, state, waiting)
        seen = rows.replace(waiting, transition.observation, lambda e: observe(mdp, e), state.episodes)
        transition = dataclasses.replace(transition, observation=seen)
    return state, transition, transition.terminated | transition.truncated


def initial(
    mdp: Mdp, simulator: Simulator, seed: rng.Seed, split: int, stagger: bool = False, robots: Array | None = None
) -> EnvState:
    """All robots at the beginning of their first episode.

    ``stagger`` starts each episode's count at a random step, so that time-outs do not fall on one step. ``robots`` (num_envs,) int32
    are those of the streams that these are; by default the first ones, from the simulator's ``first_robot`` on if it has one.
    """
    xp, task, count = mdp.xp, mdp.task, simulator.num_envs
    first = getattr(simulator, "first_robot", 0)
    robot = xp.arange(count, dtype=xp.int32, device=device_of(mdp.tile_centers)) + first if robots is None else robots
    key = rng.robot_key(seed, split, robot, task.seed_families)
    zero = robot * 0
    lower, upper = task.randomization.payload or (0.0, 0.0)
    simulator.configure(
        friction=rng.between(rng.uniform(key, zero, zero, rng.Purpose.FRICTION, 1)[:, 0], *task.randomization.friction),
        payload=rng.between(rng.uniform(key, zero, zero, rng.Purpose.PAYLOAD, 1)[:, 0], lower, upper),
        **physics_numbers(mdp, key),
    )
    episodes = begin(mdp, robot, key, zero, curriculum.first_level(mdp, key, robot), robot % mdp.tile_centers.shape[1])
    if stagger:
        draws = rng.uniform(key, zero, zero, rng.Purpose.STAGGER, 1)[:, 0]
        episodes = dataclasses.replace(episodes, step=xp.astype(draws * task.timing.max_episode_steps, xp.int32))
    physics = simulator.place(simulator.initial(), robot >= 0, episodes.readout)
    return EnvState(episodes, xp.zeros((), dtype=xp.int32, device=device_of(robot)), physics)


def _advanced(mdp: Mdp, simulator: Simulator, state: EnvState, action: Array) -> tuple[object, Readout]:
    """Physics toward the targets that the actions stand for."""
    target = mdp.default_pose + mdp.task.robot.action_scale * action
    drive = drive_numbers(mdp, state.episodes.key, state.episodes.number)
    if drive is None:
        return simulator.advance(state.physics, target)
    return simulator.advance(state.physics, target, drive)


def _at_the_edge(mdp: Mdp, readout: Readout) -> Array:
    """Whether a robot is about to leave the map, (num_envs,) bool. A plane has no edge."""
    if mdp.task.terrain.kind == "plane":
        return readout.broken & ~readout.broken
    x, y = (mdp.xp.abs(readout.base_position[:, axis]) for axis in range(2))
    return (x > -mdp.height_map.origin[0] - EDGE) | (y > -mdp.height_map.origin[1] - EDGE)


def _reason(
    mdp: Mdp, count: Array, late: Array, truncated: Array, broken: Array, terminated: Array, failures: dict[str, Array]
) -> Array:
    """Why each robot is reset, if it is, (num_envs,) int32 like the ``count`` of steps. Of several failures the first is told."""
    xp = mdp.xp
    if rows.nobody(truncated | terminated):
        return xp.zeros_like(count)
    code = {name: xp.full_like(count, index) for index, name in enumerate(mdp.reset_reasons)}
    reason = xp.where(truncated, xp.where(late, code["time_limit"], code["map_edge"]), code["running"])
    for name, failure in reversed({"broken_physics": broken, **failures}.items()):
        reason = xp.where(failure & terminated, code[name], reason)
    return reason


def _pushed(
    mdp: Mdp,
    simulator: Simulator,
    physics: object,
    episodes: Episodes,
    count: Array,
    readout: Readout,
    factor: Array | float | None,
) -> tuple[object, Readout]:
    """Physics and readout after the pushes that are due."""
    asked = mdp.task.randomization.pushes
    if asked is None:
        return physics, readout
    due = pushes.due(mdp, asked, count)
    if rows.nobody(due):
        return physics, readout
    change = pushes.drawn(asked, episodes.key, episodes.number, count)
    if factor is not None:
        change = change * factor
    return pushes.apply(simulator, physics, readout, due, change, asked.mode)


def _total(mdp: Mdp, terms: dict[str, Array]) -> Array:
    """The reward: the sum of the terms, clipped at zero before those are added that are to survive it."""
    after = [name for name in terms if REWARD_TERMS[name].after_clip]
    total = sum(value for name, value in terms.items() if name not in after)
    if mdp.task.rewards.clip_at_zero:
        total = total.clip(0.0, None) if len(after) < len(terms) else 0.0
    return functools.reduce(operator.add, (terms[name] for name in after), total)


def _log(mdp: Mdp, episodes: Episodes, done: Array) -> dict[str, Array]:
    """Means over the episodes that ended in this step, zero if none did, and how many they were."""
    xp = mdp.xp
    names = ("episodes", "episode_seconds", "level", *(f"reward/{name}" for name in mdp.reward_terms))
    if rows.nobody(done):
        return {name: xp.zeros((), dtype=xp.float32, device=device_of(done)) for name in names}
    weight = xp.astype(done, xp.float32)
    count = xp.sum(weight)
    share = weight / xp.where(count > 0, count, xp.ones_like(count))
    seconds = xp.astype(episodes.step, xp.float32) * mdp.task.timing.control_dt
    rates = xp.sum(episodes.sums * share[:, None], axis=0) / mdp.task.timing.episode_length
    level = xp.sum(xp.astype(episodes.level, xp.float32) * share)
    return dict(zip(names, [count, xp.sum(seconds * share), level, *rates], strict=True))
