"""Building blocks shared by the brains: scans, attention, embeddings, layers."""
