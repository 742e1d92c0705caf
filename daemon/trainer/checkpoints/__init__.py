"""From a run to its checkpoints and back, on a disk that may fail."""
