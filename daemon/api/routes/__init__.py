"""One noun a file; each file has a `router`."""
