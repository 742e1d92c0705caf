"""Commands that work on a checkpoint without a running trainer."""
