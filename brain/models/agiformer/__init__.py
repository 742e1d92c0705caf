"""The AGIFORMER brain: causal patches of bytes, hybrid attention, latent steps of thinking, a local byte decoder."""
