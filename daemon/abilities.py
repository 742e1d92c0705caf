"""What a brain of a kind can do: what to offer a person who steers it, and what not."""

from __future__ import annotations

from brain.errors import UnknownNameError
from brain.registry import Entry, brains


def abilities_of(kind: str | None) -> dict[str, bool] | None:
    """Those of a kind of brain; None where the kind is not known here.

    >>> abilities_of("classifier")
    {'answers': True, 'learns_labels': True, 'can_grow': False, 'observable': False}
    """
    try:
        return None if kind is None else abilities_in(brains.get(kind))
    except UnknownNameError:
        return None


def abilities_in(entry: Entry) -> dict[str, bool]:
    """Those that a registered kind declares."""
    return {
        "answers": entry.answers,
        "learns_labels": entry.needs_labels,
        "can_grow": entry.can_grow,
        "observable": entry.observable,
    }
