"""Crash-safe checkpoints: commit order, verification, retention, single-file export."""
