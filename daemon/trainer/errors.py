"""What the parts of a trainer raise at one another; whatever reaches a person is of `daemon.errors`."""


class RefusalError(Exception):
    """The action does not fit the run as it is; the message says why (HTTP 409)."""
