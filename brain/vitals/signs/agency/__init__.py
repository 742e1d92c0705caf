"""Agency: how much of what comes next follows from what the brain did."""
