"""What a run counts and knows of itself from step to step; each part of it stands in every checkpoint."""
