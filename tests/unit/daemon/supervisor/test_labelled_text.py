"""What is fed fits what the brain learns from: labelled text or text alone, and a label is one line."""

from __future__ import annotations

import pytest

from daemon.errors import UsageError
from daemon.supervisor.labelled_text import text_to_feed


@pytest.mark.parametrize("kind", ["synapse", "tars", "of another version", None])
def test_a_brain_of_text_takes_text_alone(kind: str | None) -> None:
    assert text_to_feed("hello", None, kind, "r-1") == "hello"
    with pytest.raises(UsageError, match="learns no labels"):
        text_to_feed("hello", "greeting", kind, "r-1")


@pytest.mark.parametrize("kind", ["reflex", "classifier"])
def test_a_brain_of_labels_takes_no_text_without_one(kind: str) -> None:
    assert text_to_feed("hello", " greeting ", kind, "r-1") == "hello\x1fgreeting"
    with pytest.raises(UsageError, match=f"{kind} learns nothing from a text without one"):
        text_to_feed("hello", None, kind, "r-1")


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("two\nlines", r"two\\nlines has line breaks"),
        ("a\x00b", "a label is one line"),
    ],
)
def test_a_label_is_one_line(label: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        text_to_feed("hello", label, "reflex", "r-1")
