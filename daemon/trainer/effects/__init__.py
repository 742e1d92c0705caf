"""What changes a run beside learning: journaled first, applied at its step, and how it is undone."""
