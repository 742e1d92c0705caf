"""Dormant share: how many hidden units have fallen silent."""
