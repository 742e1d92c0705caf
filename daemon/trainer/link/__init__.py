"""The trainer and its supervisor: the pipe between them, and what is reported through it."""
