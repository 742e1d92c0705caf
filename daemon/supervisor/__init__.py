"""The parent process: runs, their trainers, operations, the lock. Never imports torch."""
