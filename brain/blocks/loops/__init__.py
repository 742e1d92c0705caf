"""What Numba compiles of the blocks; imported where it is first run, for Numba takes its time."""
