"""The classifier: an MLP that learns a labelled stream online, without tasks and without the daemon."""
