"""What a step takes and leaves: batches of text read and replayed, and the row of its metrics."""
