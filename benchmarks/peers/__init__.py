"""Programs that do a benchmark's work with a peer's means, run by an interpreter that has the peer."""
