"""The state of a run: at work, paused, at its end."""
