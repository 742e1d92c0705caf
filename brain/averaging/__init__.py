"""Slow weights: running averages of what is learned online, which remember longer than it does."""
