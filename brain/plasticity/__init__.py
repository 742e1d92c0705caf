"""Staying able to learn: units that serve nothing are renewed, weights are drawn back to where they began.

Nothing is imported here: the registry of brains reads `config`, and must stay without torch.
"""
