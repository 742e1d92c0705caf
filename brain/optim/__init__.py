"""Optimizers for online learning, with state keyed by parameter name."""
