"""When a run sleeps, and what it does then."""
