"""What drives a joint of a description: the torque that its actuators can give it, and their gains."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

_AT_JOINTS = (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT))


@dataclass(frozen=True)
class Drive:
    """``torque`` N m, ``stiffness`` N m/rad, ``damping`` N m s/rad at the joint; None where the file does not say."""

    torque: float | None
    stiffness: float | None
    damping: float | None


def drive(model: mujoco.MjModel, joint: int, notes: list[str]) -> Drive:
    """What drives a joint, with what is not kept of it added to ``notes``. Torques of several actuators add up."""
    name = str(model.joint(joint).name) or f"joint_{joint}"
    own = [
        actuator
        for actuator in range(model.nu)
        if int(model.actuator_trntype[actuator]) in _AT_JOINTS and model.actuator_trnid[actuator, 0] == joint
    ]
    torques, stiffness, damping = [_torques(model, actuator) for actuator in own], 0.0, 0.0
    for actuator in own:
        gear, what = abs(float(model.actuator_gear[actuator, 0])), _kind(model, actuator)
        if what == "position":
            stiffness += gear**2 * -float(model.actuator_biasprm[actuator, 1])
            damping += gear**2 * max(0.0, -float(model.actuator_biasprm[actuator, 2]))
            if model.actuator_ctrllimited[actuator]:
                lower, upper = model.actuator_ctrlrange[actuator]
                stops = model.jnt_range[joint] if model.jnt_limited[joint] else (-np.inf, np.inf)
                if lower > stops[0] or upper < stops[1]:
                    notes.append(f"not kept: ctrlrange [{lower:.4g}, {upper:.4g}] of the position drive of {name}")
        elif what != "motor":
            notes.append(f"not kept: how the {what} actuator of {name} works: here it is a motor under a PD law")
    said = [each for each in torques if each is not None]
    lower, upper = (
        (sum(each[side] for each in said) for side in (0, 1)) if len(said) == len(own) > 0 else (-np.inf, np.inf)
    )
    if model.jnt_actfrclimited[joint]:
        lower, upper = max(lower, model.jnt_actfrcrange[joint, 0]), min(upper, model.jnt_actfrcrange[joint, 1])
    torque = float(max(-lower, upper))
    if not 0 < torque < np.inf:
        return Drive(None, stiffness or None, damping or None)
    if abs(lower + upper) > 1e-9 * torque:
        notes.append(f"changed: torque limits of {name}, [{lower:.4g}, {upper:.4g}] N m, are +-{torque:.4g} here")
    return Drive(torque, stiffness or None, damping or None)


def _kind(model: mujoco.MjModel, actuator: int) -> str:
    """ "motor": a torque in proportion to its control; "position": a PD law; or in MuJoCo's words what else it is."""
    gain, bias = int(model.actuator_gaintype[actuator]), int(model.actuator_biastype[actuator])
    dynamics = int(model.actuator_dyntype[actuator])
    if dynamics != int(mujoco.mjtDyn.mjDYN_NONE):
        return mujoco.mjtDyn(dynamics).name.removeprefix("mjDYN_").lower()
    if gain != int(mujoco.mjtGain.mjGAIN_FIXED):
        return mujoco.mjtGain(gain).name.removeprefix("mjGAIN_").lower()
    if bias == int(mujoco.mjtBias.mjBIAS_NONE):
        return "motor"
    if bias != int(mujoco.mjtBias.mjBIAS_AFFINE):
        return mujoco.mjtBias(bias).name.removeprefix("mjBIAS_").lower()
    own, constant, position = (
        float(model.actuator_gainprm[actuator, 0]),
        *map(float, model.actuator_biasprm[actuator, :2]),
    )
    if position < 0 and own == -position and constant == 0:
        return "position"
    return "velocity" if position == 0 and own == -float(model.actuator_biasprm[actuator, 2]) else "affine"


def _torques(model: mujoco.MjModel, actuator: int) -> tuple[float, float] | None:
    """The least and the greatest torque at the joint, N m; None where nothing limits it."""
    gear, limits = float(model.actuator_gear[actuator, 0]), []
    if model.actuator_forcelimited[actuator]:
        limits.append(np.sort(gear * model.actuator_forcerange[actuator]))
    if model.actuator_ctrllimited[actuator] and _kind(model, actuator) == "motor":
        limits.append(np.sort(gear * model.actuator_gainprm[actuator, 0] * model.actuator_ctrlrange[actuator]))
    if not limits:
        return None
    return float(max(lower for lower, _ in limits)), float(min(upper for _, upper in limits))
