"""Neurogenesis: when to grow, and how, without losing what is known."""
