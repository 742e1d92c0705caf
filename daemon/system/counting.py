"""Counts in sentences."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A count and its noun, in the number that fits.

    >>> counted(1, "row"), counted(0, "row"), counted(1234, "row of text", "rows of text")
    ('1 row', '0 rows', '1,234 rows of text')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
