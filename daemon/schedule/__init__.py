"""What a person would put in a diary, run by APScheduler."""
