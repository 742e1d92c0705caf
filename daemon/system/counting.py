"""Counts in sentences, and values with their step."""

from __future__ import annotations

OLD_STEPS = 100  # a value measured that long ago is shown with its step


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A count and its noun, in the number that fits.

    >>> counted(1, "row"), counted(0, "row"), counted(1234, "row of text", "rows of text")
    ('1 row', '0 rows', '1,234 rows of text')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def dated(value: str, measured: int | None, *, now: int) -> str:
    """A value of a run at step `now`, and the step at which it was measured where that was well before.

    >>> dated("0.152", 1288, now=3521), dated("0.152", 3472, now=3521), dated("0.152", None, now=3521)
    ('0.152 (step 1,288)', '0.152', '0.152')
    """
    old = measured is not None and now - measured >= OLD_STEPS
    return f"{value} (step {measured:,})" if old else value
