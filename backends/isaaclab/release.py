"""What differs between Isaac Lab 3.0 and 2.3, behind one face: quaternions wxyz, torch tensors, writes by mask.

3.0 has xyzw quaternions, data behind ``.torch`` and writes by mask; 2.3 has wxyz quaternions, torch data and writes by index.
:data:`USED` names what is called of each, so that it can be checked against a release that is not installed.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

from locoenvs.backends.isaaclab.conventions import wxyz_to_xyzw, xyzw_to_wxyz


class Release(Protocol):
    """Reads from and writes to Isaac Lab's articulation. N robots; joints in the engine's order, all of them."""

    def read(self, data: Any, name: str) -> torch.Tensor:
        """A field of an asset's or a sensor's data, which the engine overwrites: copy what you keep."""

    def quaternion(self, pose: torch.Tensor) -> torch.Tensor:
        """The wxyz quaternions (..., 4) of poses (..., 7)."""

    def write_root(self, robot: Any, mask: torch.Tensor, position: torch.Tensor, quaternion: torch.Tensor) -> None:
        """Put the base frames of ``mask`` (N,) at ``position`` (N, 3) m and wxyz ``quaternion`` (N, 4)."""

    def write_root_velocity(self, robot: Any, mask: torch.Tensor, velocity: torch.Tensor) -> None:
        """Give the base frames of ``mask`` (N,) a linear and an angular velocity (N, 6) m/s and rad/s, world."""

    def write_joints(self, robot: Any, mask: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor) -> None:
        """Put the joints of ``mask`` (N,) at ``position`` rad and ``velocity`` rad/s, (N, J) each."""

    def drive(self, robot: Any, torque: torch.Tensor) -> None:
        """Apply joint torques (N, J) N m in the next physics step."""

    def masses(self, robot: Any) -> torch.Tensor:
        """The bodies' masses (N, B) kg."""

    def set_masses(self, robot: Any, masses: torch.Tensor) -> None:
        """Give the bodies masses (N, B) kg."""


class Lab30:
    """Isaac Lab 3.0."""

    def read(self, data: Any, name: str) -> torch.Tensor:
        """See :class:`Release`."""
        return getattr(data, name).torch

    def quaternion(self, pose: torch.Tensor) -> torch.Tensor:
        """See :class:`Release`."""
        return xyzw_to_wxyz(pose[..., 3:7])

    def write_root(self, robot: Any, mask: torch.Tensor, position: torch.Tensor, quaternion: torch.Tensor) -> None:
        """See :class:`Release`."""
        pose = torch.cat([position, wxyz_to_xyzw(quaternion)], dim=-1)
        robot.write_root_link_pose_to_sim_mask(root_pose=pose, env_mask=mask)

    def write_root_velocity(self, robot: Any, mask: torch.Tensor, velocity: torch.Tensor) -> None:
        """See :class:`Release`."""
        robot.write_root_link_velocity_to_sim_mask(root_velocity=velocity.contiguous(), env_mask=mask)

    def write_joints(self, robot: Any, mask: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor) -> None:
        """See :class:`Release`."""
        robot.write_joint_position_to_sim_mask(position=position.contiguous(), env_mask=mask)
        robot.write_joint_velocity_to_sim_mask(velocity=velocity.contiguous(), env_mask=mask)

    def drive(self, robot: Any, torque: torch.Tensor) -> None:
        """See :class:`Release`."""
        robot.set_joint_effort_target_mask(target=torque.contiguous())
        robot.write_data_to_sim()

    def masses(self, robot: Any) -> torch.Tensor:
        """See :class:`Release`."""
        return robot.data.body_mass.torch.clone()

    def set_masses(self, robot: Any, masses: torch.Tensor) -> None:
        """See :class:`Release`."""
        robot.set_masses_mask(masses=masses.contiguous())


class Lab23:
    """Isaac Lab 2.3, whose only physics is PhysX."""

    def read(self, data: Any, name: str) -> torch.Tensor:
        """See :class:`Release`."""
        return getattr(data, name)

    def quaternion(self, pose: torch.Tensor) -> torch.Tensor:
        """See :class:`Release`."""
        return pose[..., 3:7]

    def write_root(self, robot: Any, mask: torch.Tensor, position: torch.Tensor, quaternion: torch.Tensor) -> None:
        """See :class:`Release`."""
        chosen = torch.nonzero(mask)[:, 0]
        robot.write_root_link_pose_to_sim(torch.cat([position, quaternion], dim=-1)[chosen], env_ids=chosen)

    def write_root_velocity(self, robot: Any, mask: torch.Tensor, velocity: torch.Tensor) -> None:
        """See :class:`Release`."""
        chosen = torch.nonzero(mask)[:, 0]
        robot.write_root_link_velocity_to_sim(velocity[chosen], env_ids=chosen)

    def write_joints(self, robot: Any, mask: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor) -> None:
        """See :class:`Release`."""
        chosen = torch.nonzero(mask)[:, 0]
        robot.write_joint_state_to_sim(position[chosen], velocity[chosen], env_ids=chosen)

    def drive(self, robot: Any, torque: torch.Tensor) -> None:
        """See :class:`Release`."""
        robot.set_joint_effort_target(torque)
        robot.write_data_to_sim()

    def masses(self, robot: Any) -> torch.Tensor:
        """See :class:`Release`."""
        return robot.root_physx_view.get_masses().clone()

    def set_masses(self, robot: Any, masses: torch.Tensor) -> None:
        """See :class:`Release`."""
        every = torch.arange(masses.shape[0], dtype=torch.int32)
        robot.root_physx_view.set_masses(masses.cpu(), every)
