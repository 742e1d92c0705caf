"""Erasing on purpose what was read: from a run, from its checkpoints, from the disk."""
