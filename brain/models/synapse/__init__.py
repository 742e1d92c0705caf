"""The SYNAPSE brain: continuous learner, the default."""
