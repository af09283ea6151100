"""Isaac Lab: the task on Newton, or on PhysX, with Isaac Lab's cloning and contact sensor."""
