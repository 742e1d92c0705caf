"""Checks every brain must pass: causality, gradient coverage, freezing."""
