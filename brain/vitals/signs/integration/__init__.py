"""Integration: how much of what the modules do is shared."""
