"""Tiers of replay, one file each: what is recent, what is rare, what is still badly predicted."""
