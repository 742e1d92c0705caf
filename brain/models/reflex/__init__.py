"""The reflex: intents of short texts, learned in seconds and answered within a millisecond."""
