"""Replay: what was experienced, kept on disk and drawn again. Its settings are read without numpy."""
