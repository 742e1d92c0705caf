"""Self-prediction error: how much of its next internal state the brain fails to foresee."""
