"""Isaac Lab's simulation and scene for a task: one ground, and a robot with a contact sensor in every environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locoenvs.backends.isaaclab import newton, physx
from locoenvs.backends.isaaclab.release import Lab23, Lab30, Release
from locoenvs.backends.isaaclab.requirements import Installation
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.task import Task


@dataclass(frozen=True)
class Scene:
    """What Isaac Lab made."""

    sim: Any
    scene: Any
    robot: Any
    contacts: Any
    release: Release
    physics: newton.Newton | physx.PhysX


def contact_points(task: Task, physics: str) -> int:
    """An upper estimate of the contact points that one robot has at once."""
    return newton.contact_points(task) if physics == "newton" else physx.contact_points(task)


def sim_cfg(task: Task, num_envs: int, device: str, installation: Installation, physics: str, contacts: int) -> Any:
    """Isaac Lab's simulation settings."""
    from isaaclab.sim import SimulationCfg

    if physics == "newton":
        engine = newton.settings(task, num_envs, contacts)
    else:
        engine = physx.settings(task, num_envs, contacts, kind=physics, major=installation.major)
    return SimulationCfg(
        device=device,
        dt=task.timing.physics_dt,
        render_interval=task.timing.decimation,
        **{"physx" if installation.major == 2 else "physics": engine},
    )


def scene_cfg(robot: Robot, num_envs: int, robot_file: Path, ground_file: Path) -> Any:
    """Isaac Lab's scene settings: ground, robots and their contact sensors."""
    from isaaclab.actuators import ImplicitActuatorCfg
    from isaaclab.assets import ArticulationCfg, AssetBaseCfg
    from isaaclab.sensors import ContactSensorCfg
    from isaaclab.sim import UsdFileCfg

    cfg = place_cfg(num_envs)
    cfg.ground = AssetBaseCfg(prim_path="/World/ground", spawn=UsdFileCfg(usd_path=str(ground_file)))
    cfg.robot = ArticulationCfg(
        prim_path="{ENV_REGEX_NS}/Robot",
        spawn=UsdFileCfg(usd_path=str(robot_file)),
        init_state=ArticulationCfg.InitialStateCfg(
            pos=(0.0, 0.0, robot.start_height), joint_pos={joint.name: joint.default for joint in robot.joints}
        ),
        actuators={"drives": ImplicitActuatorCfg(joint_names_expr=[".*"], stiffness=0.0, damping=0.0)},
    )
    cfg.contacts = ContactSensorCfg(prim_path="{ENV_REGEX_NS}/Robot/.*")
    return cfg


def place_cfg(num_envs: int) -> Any:
    """An empty scene. All environments share one place: robots walk over one map."""
    from isaaclab.scene import InteractiveSceneCfg

    return InteractiveSceneCfg(num_envs=num_envs, env_spacing=0.0, replicate_physics=True)


def build(sim_settings: Any, scene_settings: Any, installation: Installation, physics: str) -> Scene:
    """Start Isaac Lab's simulation. Raises RuntimeError if one runs in this process already."""
    from isaaclab.scene import InteractiveScene
    from isaaclab.sim import SimulationContext

    if SimulationContext.instance() is not None:
        raise RuntimeError(
            "Isaac Lab has one simulation a process, and one runs already: close() that environment first, or use "
            "another process"
        )
    sim = SimulationContext(sim_settings)
    try:
        scene = InteractiveScene(scene_settings)
        sim.reset()
        scene.update(sim_settings.dt)
    except BaseException:
        sim.clear_instance()
        raise
    robot = scene["robot"]
    kinds: dict[str, type[newton.Newton] | type[physx.PhysX]] = {
        "newton": newton.Newton,
        "physx": physx.PhysX,
        "ovphysx": physx.OvPhysX,
    }
    release: Release = Lab23() if installation.major == 2 else Lab30()
    return Scene(sim, scene, robot, scene["contacts"], release, kinds[physics](robot))
