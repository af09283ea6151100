"""Actuators: the torques of a robot's drives, evaluated between physics steps on the array namespace of the inputs.

They are pure functions: what a drive remembers is an array that the backend carries along with its physics, so that it
can be jitted, saved and cleared robot by robot. N robots, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Protocol

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from locoenvs.mdp.draws import longest, quantities
from locoenvs.numerics import compiled, workers
from locoenvs.numerics.arrays import Array, kind_of
from locoenvs.tasks.drive import Network, load
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.task import LSTMActuator, Task

SLOW = 0.1
"""Below this speed dry friction is in proportion to it, rad/s."""


class Actuator(Protocol):
    """Turns joint targets into torques, once a physics step.

    ``memory`` is one array of a shape of the actuator's own, whose second axis is the robots; whoever steps the physics
    keeps it, saves it, and clears it where an episode begins.
    """

    def initial(self, num_envs: int, xp: ModuleType, device: object = None) -> Array:
        """The memory of robots whose drives are at rest, in namespace ``xp`` on ``device``."""

    def torque(
        self, memory: Array, target: Array, position: Array, velocity: Array, drive: Array | None = None
    ) -> tuple[Array, Array]:
        """(memory, torques (N, J) N m) toward ``target`` rad at ``position`` rad and ``velocity`` rad/s, (N, J) each.

        ``drive`` (Q, N, J) are the numbers of :data:`~locoenvs.mdp.draws.DRIVE`, for a task that varies them.
        """

    def clear(self, memory: Array, mask: Array) -> Array:
        """The memory with the robots of ``mask`` (N,) at rest."""


def actuator_of(task: Task) -> Actuator:
    """The actuator that the task names, with numbers of their own for robots where it varies its drives.

    Raises ValueError for a network that is missing or another than it was.
    """
    own, dt = _own_of(task), task.timing.physics_dt
    return Varied(own, task.robot, dt, longest(task, "drive", dt)) if "drive" in quantities(task) else own


def _own_of(task: Task) -> PD | LSTM:
    named = task.actuator
    if not isinstance(named, LSTMActuator):
        return PD(task.robot)
    network = load(named.network)
    if network.hash != named.hash:
        raise ValueError(
            f"the task's drive {named.network!r} had the hash {named.hash}; the one that is here has {network.hash}: "
            "use the file that the task was made with"
        )
    if abs(network.dt - task.timing.physics_dt) > 1e-9:
        raise ValueError(
            f"drive {named.network!r} holds at one evaluation every {network.dt} s, timing.physics_dt is "
            f"{task.timing.physics_dt} s: set that to {network.dt}, or fit a network to a log of that rate"
        )
    joints = task.robot.joints
    return LSTM(network, [joint.torque_limit for joint in joints], [joint.velocity_limit for joint in joints])


class PD:
    """torque = clip(Kp (target - q) - Kd dq, +-limit). Backends whose engine has this law built in use that instead."""

    def __init__(self, robot: Robot) -> None:
        self._gains = [(joint.stiffness, joint.damping, joint.torque_limit) for joint in robot.joints]

    def initial(self, num_envs: int, xp: ModuleType, device: object = None) -> Array:
        """A PD law remembers nothing: (0, N)."""
        return xp.zeros((0, num_envs), dtype=xp.float32, device=device)

    def torque(
        self, memory: Array, target: Array, position: Array, velocity: Array, drive: Array | None = None
    ) -> tuple[Array, Array]:
        """See :class:`Actuator`; of ``drive`` the factors of the gains."""
        xp = array_namespace(target)
        device = getattr(target, "device", None) if kind_of(xp) == "torch" else None
        stiffness, damping, limit = (
            xp.asarray(column, dtype=xp.float32, device=device) for column in zip(*self._gains, strict=True)
        )
        if drive is not None:
            stiffness, damping = stiffness * drive[1], damping * drive[2]
        return memory, (stiffness * (target - position) - damping * velocity).clip(-limit, limit)

    def clear(self, memory: Array, mask: Array) -> Array:
        """See :class:`Actuator`."""
        return memory


class LSTM:
    """A drive's network, shared by all joints, whose torque is clipped at what each joint's motor can give.

    That is ``limits`` (J,) N m either way, but in the direction of motion no more than 2 (1 - |velocity| / speed) of it, with
    ``speeds`` (J,) rad/s: all of it up to half the speed limit, nothing beyond. A network that was fitted to a drive in use knows
    nothing of such speeds, and would push a swinging leg on and on. None: no speed limit.

    The memory is (2 H L, N, J): h and c of each of the L layers of H units. All gates of a layer are one matrix product
    and one tanh, as sigmoid(x) = (1 + tanh(x / 2)) / 2.
    """

    PART = 4096
    """Drives that a thread works on at a time."""

    def __init__(self, network: Network, limits: Sequence[float], speeds: Sequence[float] | None = None) -> None:
        self._units = [layer.units for layer in network.layers]
        self._joints = len(limits)
        weights: list[np.ndarray] = []
        for index, layer in enumerate(network.layers):
            units, scale = layer.units, np.ones(1, np.float32)
            if index == 0:
                scale = np.concatenate([np.array(network.input_scale, np.float32), np.ones(units, np.float32)])
            first, forget, cell, last = (slice(k * units, (k + 1) * units) for k in range(4))
            order = np.r_[first, forget, last, cell]
            half = np.repeat(np.array([0.5, 1.0], np.float32), (3 * units, units))[:, None]
            weight = np.concatenate([layer.input, layer.recurrent], axis=1) * scale
            weights += [(half * weight[order]).astype(np.float32), half * layer.bias[order, None].astype(np.float32)]
        weights.append((network.output_scale * network.weight[None]).astype(np.float32))
        weights.append(np.array([[network.output_scale * network.bias]], np.float32))
        self._weights = weights
        self._limit = np.array(limits, np.float32)
        self._fade = 2 / np.array([np.inf] * len(limits) if speeds is None else speeds, np.float32)
        self._on_device: dict[object, list[Array]] = {}

    def initial(self, num_envs: int, xp: ModuleType, device: object = None) -> Array:
        """See :class:`Actuator`."""
        return xp.zeros((2 * sum(self._units), num_envs, self._joints), dtype=xp.float32, device=device)

    def torque(
        self, memory: Array, target: Array, position: Array, velocity: Array, drive: Array | None = None
    ) -> tuple[Array, Array]:
        """See :class:`Actuator`."""
        xp = array_namespace(target)
        *weights, limit, fade = self._arrays(xp, target)
        flat = xp.reshape(memory, (memory.shape[0], -1))
        inputs = [xp.reshape(part, (-1,)) for part in (target, position, velocity)]
        if kernels := compiled.kernels(flat, *inputs):
            after, torque = xp.empty_like(flat), xp.empty_like(inputs[0])
            numbers = tuple(weights), limit, fade, flat, *inputs, after, torque
            workers.in_parts(lambda start, stop: kernels.drives(*numbers, start, stop), len(torque), self.PART)
            return xp.reshape(after, memory.shape), xp.reshape(torque, target.shape)
        after, torque = self._evaluate(xp, weights, flat, xp.stack([inputs[0] - inputs[1], inputs[2]]))
        fading = fade * velocity
        least, most = -limit * (2 + fading).clip(0, 1), limit * (2 - fading).clip(0, 1)
        return xp.reshape(after, memory.shape), xp.reshape(torque, target.shape).clip(least, most)

    def clear(self, memory: Array, mask: Array) -> Array:
        """See :class:`Actuator`."""
        xp = array_namespace(memory)
        return xp.where(mask[None, :, None], xp.zeros_like(memory), memory)

    def _evaluate(self, xp: ModuleType, weights: list[Array], memory: Array, inputs: Array) -> tuple[Array, Array]:
        """Memory (2 H L, M) and torques (M,) of M drives with inputs (2, M)."""
        after, x, row = [], inputs, 0
        for index, units in enumerate(self._units):
            h, c = memory[row : row + units], memory[row + units : row + 2 * units]
            row += 2 * units
            gates = xp.tanh(_product(xp, weights[2 * index], xp.concat([x, h])) + weights[2 * index + 1])
            opened = gates[: 3 * units] * 0.5 + 0.5
            c = opened[units : 2 * units] * c + opened[:units] * gates[3 * units :]
            x = opened[2 * units :] * xp.tanh(c)
            after += [x, c]
        return xp.concat(after), (_product(xp, weights[-2], x) + weights[-1])[0]

    def _arrays(self, xp: ModuleType, like: Array) -> list[Array]:
        """The weights and what the limits need, where ``like`` lives. Under jax they are constants of the program."""
        own = [*self._weights, self._limit, self._fade]
        if kind_of(xp) != "torch":
            return own if is_numpy_array(like) else [xp.asarray(array) for array in own]
        if like.device not in self._on_device:
            self._on_device[like.device] = [xp.asarray(array, device=like.device) for array in own]
        return self._on_device[like.device]


class Varied:
    """An actuator whose numbers differ from robot to robot, and whose targets may come late.

    torque = strength * law(target ``delay`` ago, position + offset, velocity) - friction clip(velocity / SLOW, +-1) - viscous velocity.
    The memory is (lag + K, N, J): the targets of the last ``lag`` physics steps, less the default pose, then the law's own.
    """

    def __init__(self, law: PD | LSTM, robot: Robot, physics_dt: float, lag: int) -> None:
        self._law, self._lag, self._dt = law, lag, physics_dt
        self._default = np.array([joint.default for joint in robot.joints], np.float32)

    def initial(self, num_envs: int, xp: ModuleType, device: object = None) -> Array:
        """See :class:`Actuator`."""
        past = xp.zeros((self._lag, num_envs, len(self._default)), dtype=xp.float32, device=device)
        if isinstance(self._law, PD):
            return past
        return xp.concat([past, self._law.initial(num_envs, xp, device)])

    def torque(
        self, memory: Array, target: Array, position: Array, velocity: Array, drive: Array | None = None
    ) -> tuple[Array, Array]:
        """See :class:`Actuator`."""
        assert drive is not None, "the task varies its drives: advance() is given their numbers"
        xp = array_namespace(target)
        device = target.device if kind_of(xp) == "torch" else None
        default = xp.asarray(self._default, device=device)
        strength, offset, friction, viscous, delay = drive[0], drive[3], drive[4], drive[5], drive[6]
        late, past = target - default, memory[: self._lag]
        steps, wanted = xp.round(delay * (1 / self._dt)), target - default
        for index in range(self._lag):
            wanted = xp.where(steps == index + 1, past[index], wanted)
        if self._lag:
            past = xp.concat([late[None], past[:-1]])
        inner, torque = self._law.torque(memory[self._lag :], default + wanted, position + offset, velocity, drive)
        torque = strength * torque - friction * (velocity * (1 / SLOW)).clip(-1.0, 1.0) - viscous * velocity
        return (past if isinstance(self._law, PD) else xp.concat([past, inner])), torque

    def clear(self, memory: Array, mask: Array) -> Array:
        """See :class:`Actuator`."""
        xp = array_namespace(memory)
        return xp.where(mask[None, :, None], xp.zeros_like(memory), memory)


_BLOCK = 128
"""Columns that numpy multiplies at a time."""


def _product(xp: ModuleType, a: Array, b: Array) -> Array:
    """a @ b in full float32: jax would round the factors to fewer bits on a GPU.

    With numpy in blocks of the same shape, the last one filled up: a BLAS adds up the columns at the end of a matrix in another
    order than the others, so that the torque of a drive would depend on how many there are, in its last digit.
    """
    if kind_of(xp) != "numpy":
        return xp.matmul(a, b, precision="highest") if kind_of(xp) == "jax" else xp.matmul(a, b)
    width, blocks = b.shape[1], -(-b.shape[1] // _BLOCK)
    if width != blocks * _BLOCK:
        b = np.concatenate([b, np.zeros((len(b), blocks * _BLOCK - width), np.float32)], axis=1)
    padded = np.empty((len(a), blocks * _BLOCK), np.float32)
    right, result = (whole.reshape(len(whole), blocks, _BLOCK).transpose(1, 0, 2) for whole in (b, padded))
    np.matmul(a, right, out=result)
    return padded[:, :width]
