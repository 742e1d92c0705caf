"""Data that the benchmarks bring along; its licence lies beside it."""
