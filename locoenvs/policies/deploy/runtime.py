"""Runs a policy on a robot: sensor readings in, joint targets out. Needs numpy and onnxruntime, and policy.json and policy.onnx.

    runtime = Runtime("policy", log="walk.log")
    targets = runtime.step(time, readings, now=clock())  # every control_dt: position, stiffness, damping for each joint's drive

A joint's drive makes the torque stiffness (position - angle) - damping velocity. Whatever is wrong with a reading, or with its
time, the runtime damps: stiffness 0, and ``targets.fault`` says why, until :meth:`Runtime.reset`. It raises nothing once it is made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections import deque
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

POLICY, LOG = ("locoenvs.policy", 3), ("locoenvs.deployment_log", 1)  # formats and their versions
FAULTS = ("", "missing", "shape", "not finite", "out of range", "time", "stale", "network")  # a log holds their numbers


class Targets(NamedTuple):
    """What the drives are told, in the order of ``Runtime.joints``; ``fault`` is empty while the policy runs."""

    position: np.ndarray  # (J,) rad
    stiffness: np.ndarray  # (J,) N m/rad
    damping: np.ndarray  # (J,) N m s/rad
    fault: str


class Runtime:
    """The policy in ``folder``, for one thread. ``robot_delay``: seconds that targets take to the drives; what is missing to the shortest
    delay of training is waited for. ``log``: a new file, a row a step; ``locoenvs replay`` reads it."""

    def __init__(self, folder: Path | str, robot_delay: float = 0.0, log: Path | str | None = None) -> None:
        document, self._session = _loaded(Path(folder))
        joints, seen, limits, action = (document[name] for name in ("joints", "observation", "limits", "action"))
        if not 0 <= robot_delay < math.inf:
            raise ValueError(f"robot_delay={robot_delay}: must be seconds, at least 0")
        self.joints: list[str] = [joint["name"] for joint in joints]
        self.control_dt, self.longest, control = document["control_dt"], limits["age"], document["control"]
        self.physics_dt, self.delay = control["physics_dt"], max(0.0, control["action_delay"][0] - robot_delay)
        names = ("default_position", "stiffness", "damping")
        self.default, self._stiffness, self._damping = (np.array([joint[name] for joint in joints]) for name in names)
        self.default.flags.writeable = False
        self._scale, self._clip, near = action["scale"], action["clip"], 0.1 + np.abs(self.default).max() / 2
        self._bounds = np.full((2, 2, seen["size"]), [[-1e300], [1e300]])  # low, high; and those of the first step
        self._edge, self._center, self._factor, self._raw = np.outer([seen["clip"], 0, 0, 0], np.ones(seen["size"]))
        self._parts: list[tuple[str, slice, int, slice]] = []  # reading, its part, its size, place in the observation
        self._places = {slot["name"]: slice(slot["start"], slot["stop"]) for slot in seen["slots"]}
        for slot in seen["slots"]:
            name, size, place = slot["name"], slot["stop"] - slot["start"], self._places[slot["name"]]
            whole, part, self._factor[place] = name, slice(0, size), slot["scale"]
            if limit := limits["readings"].get(name):
                self._bounds[:, 0, place], self._bounds[:, 1, place] = limit["low"], limit["high"]
            if name == "last_action":
                continue
            if name in ("command_linear_velocity", "command_yaw_rate"):
                whole, part, size = "command", slice(0, 2) if size == 2 else slice(2, 3), 3
            elif name == "joint_position":
                self._center[place] = self.default
                self._bounds[1, :, place] = np.clip(self.default + [[-near], [near]], *self._bounds[0, :, place])
            elif name == "projected_gravity":
                self._bounds[1, 1, place.stop - 1] = -0.7  # upright
            elif name == "heights":
                self._center[place] = seen["heights"]["offset"]
                self._edge[place] = np.minimum(self._edge[place], slot["scale"] * seen["heights"]["clip"])
            self._parts.append((whole, part, size, place))
        self.readings = {name: size for name, _, size, _ in self._parts}
        self._asked, self._norms = np.array(limits["command"]).T, limits["gravity_norm"]
        self._states = {state["input"]: np.zeros([1, *state["size"]], "f4") for state in document["onnx"]["states"]}
        self._outputs = ["actions", *(state["output"] for state in document["onnx"]["states"])]
        self._file = None if log is None else FileIO(log, "x")  # each row is there at once, whatever happens next
        if self._file is not None:
            header = {"format": LOG[0], "format_version": LOG[1], "sha256": document["onnx"]["sha256"]}
            header |= {"observations": seen["size"], "joints": len(joints), "faults": FAULTS}
            self._file.write(json.dumps(header).encode() + b"\n")
        self.reset()

    def reset(self) -> None:
        """Begin anew, upright and near the default pose, which the next step checks: no fault, no last action, nothing remembered."""
        self.fault, self._code, self._time, self._begun = "", 0, math.nan, True
        self.action, self._last = np.full(len(self.joints), math.nan), np.zeros(len(self.joints))
        self._held, self._due, self._memory = self.default, deque[tuple[float, np.ndarray]](), dict(self._states)

    def step(self, time: float, readings: dict[str, Any], now: float | None = None) -> Targets:
        """Run the policy once; what the drives are told at the time ``now``, s, which is ``time``, when the sensors were read, by default.
        Less than control_dt / 2 after the last step it is :meth:`targets` and no more. It cannot see how old a command is: see to that before.
        Readings: base_linear_velocity, base_angular_velocity, projected_gravity (3,), joint_position, the angles, joint_velocity (J,), command
        (3,) forward, left, yaw rate, clipped to what training asked for, and if it sees the ground heights (K,), the base's minus the ground's.
        """
        now = time if now is None else now
        if not self.fault and 0 <= time - self._time < self.control_dt / 2:  # too early
            return self.targets(now)
        self._raw[:], self.action = math.nan, np.full(len(self.joints), math.nan)
        if not self.fault and (wrong := self._problem(time, readings, now) or self._act(time)):
            self._fail(*wrong)
        targets = self.targets(now)
        if self._file is not None:
            row = [[time, self._code, self._begun], self._raw, self.action, targets.position]
            try:
                self._file.write(np.concatenate(row).tobytes())
            except (OSError, ValueError) as error:  # a full disk stops no robot, nor does a log that was closed
                self._file = None
                logging.getLogger("runtime").error("no log any more: %s", error)
            self._begun = False
        return targets

    def targets(self, now: float) -> Targets:
        """What the drives are told at the time ``now``: for drives that are told more often than the policy runs, and its watchdog."""
        if not (self.fault or math.isnan(self._time) or abs(now - self._time) <= self.longest):  # nor is a NaN
            self._fail(6, f"no step for {now - self._time:.3f} s, at most {self.longest:g}")
        if self.fault or math.isnan(self._time):
            return Targets(+self._held, 0 * self._stiffness, +self._damping, self.fault or "waiting: no step yet")
        while self._due and self._due[0][0] <= now + 1e-9:
            self._held = self._due.popleft()[1]
        return Targets(+self._held, +self._stiffness, +self._damping, "")  # copies, which + makes

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            self._file.close()

    def _act(self, time: float) -> tuple[int, str] | None:
        scaled = np.minimum(np.maximum((self._raw - self._center) * self._factor, -self._edge), self._edge)
        try:
            action, *states = self._session.run(self._outputs, {"obs": scaled.astype("f4")[None], **self._memory})
        except Exception as error:  # whatever onnxruntime raises
            return 7, str(error)
        self.action = action[0].astype(float)
        if not np.isfinite(self.action).all():
            return 7, "its actions are not finite"
        self._memory, self._time = dict(zip(self._memory, states)), time
        self._last = np.minimum(np.maximum(self.action, -self._clip), self._clip)
        self._due.append((time + self.delay, self.default + self._scale * self._last))
        return None

    def _fail(self, code: int, why: str) -> None:
        self._code, self.fault = code, f"{FAULTS[code]}: {why}"
        logging.getLogger("runtime").error("damping, %s", self.fault)

    def _problem(self, time: float, readings: dict[str, Any], now: float) -> tuple[int, str] | None:
        """Take the readings; the kind of fault and what it is, or None."""
        if not (math.isfinite(time) and math.isfinite(now)):
            return 5, f"{time} s is no time, at {now} s"
        if abs(now - time) > self.longest:
            return 6, f"readings are {now - time:.3f} s old, at most {self.longest:g}"
        passed = time - self._time  # NaN in the first step: no comparison holds
        if passed < 0:
            return 5, f"a step {passed:.4f} s after the last: time goes back"
        if passed > self.longest:
            return 6, f"no step for {passed:.3f} s, at most {self.longest:g}"
        for name, part, size, place in self._parts:
            value = readings.get(name) if readings else None
            if value is None:
                return 1, f"no reading {name!r}"
            try:
                array = np.asarray(value, float)
            except (TypeError, ValueError):
                return 2, f"{name} must be {size} numbers"
            if array.shape != (size,):
                return 2, f"{name} must be ({size},), got {array.shape}"
            if name == "command":  # a NaN stays one
                array = np.minimum(np.maximum(array, self._asked[0]), self._asked[1])
            self._raw[place] = array[part]
        if "last_action" in self._places:
            self._raw[self._places["last_action"]] = self._last
        low, high = self._bounds[int(math.isnan(passed))]
        good = (self._raw >= low) & (self._raw <= high)
        if not good.all():
            bad = int(np.argmin(good))
            name, part, _, place = next(each for each in self._parts if each[3].start <= bad < each[3].stop)
            which = f"{name}[{bad - place.start + part.start}] is {self._raw[bad]:g}"
            hint = "begin upright, near the default pose" if math.isnan(passed) else "look at its unit"
            expected = f", from {low[bad]:g} to {high[bad]:g} was expected: {hint}"
            return (4, which + expected) if math.isfinite(self._raw[bad]) else (3, which)
        down = self._raw[self._places.get("projected_gravity", slice(0, 0))]
        if down.size and not self._norms[0] <= (norm := math.hypot(*down)) <= self._norms[1]:
            return 4, f"projected_gravity has length {norm:.3f}, it must be a unit vector"
        return None


def _loaded(folder: Path) -> tuple[dict[str, Any], Any]:
    """policy.json, and what runs policy.onnx. Raises ValueError if they are not a policy's, or not of each other."""
    import onnxruntime

    document, content = json.loads((folder / "policy.json").read_text()), (folder / "policy.onnx").read_bytes()
    if (found := (document.get("format"), document.get("format_version"))) != POLICY:
        raise ValueError(f"{folder}/policy.json is {found}, this runtime reads {POLICY}: export it anew")
    if hashlib.sha256(content).hexdigest() != document["onnx"]["sha256"]:
        raise ValueError(f"{folder}/policy.onnx is not the network that policy.json describes: export it anew")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return document, onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
