"""The parent process: runs, trainer life, operations, the lock. Never imports torch."""
