"""Checks every brain must pass: causality, gradient coverage, freezing, what a phase may change.

`phase_proof` runs with the brain that has phases. The others are for tests, also for those of whoever writes a brain or
a block (tests/contract): nothing calls them while a run learns.
"""
