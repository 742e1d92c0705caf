"""When and where a brain grows, by itself or by hand, and the trial that each growth stands."""
