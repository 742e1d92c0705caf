"""Effective rank: how many of their directions the hidden units use."""
