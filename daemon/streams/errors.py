"""Errors that stay within the streams."""

from __future__ import annotations


class UndecodableError(Exception):
    """A document cannot be decoded; the message says why."""
