"""Everything that keeps a brain alive: supervisor, trainer, streams, checkpoints, store, API and CLI."""
