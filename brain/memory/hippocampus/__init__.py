"""The hippocampus: an exact memory of contexts that learns in one look, mixed with what the network expects."""
