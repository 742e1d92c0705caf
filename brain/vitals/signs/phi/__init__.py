"""Φ: how much the modules of a brain act on each other."""
