"""Settings: one tree for a run, one table for a home; their layers, ranges and versions. Imports no torch."""
