"""The child process that holds torch and runs the learning loop."""
