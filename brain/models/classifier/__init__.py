"""The classifier: an MLP that learns a labelled stream online, without tasks, without an end and without the daemon."""
