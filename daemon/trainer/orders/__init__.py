"""Orders from outside, and what comes of each."""
