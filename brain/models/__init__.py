"""The brains, one folder each: a torch-free config and the model behind its name."""
