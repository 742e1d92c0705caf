"""Weight norm: how large the weights around the hidden units have become."""
