"""What is measured beside learning: vital signs, probes, held-out loss, forgetting, samples."""
