"""Replay: what was experienced, kept on disk and drawn again."""
