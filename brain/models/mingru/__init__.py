"""The minGRU language model: a stack of gated linear recurrences, small and fast."""
