"""Text that is fed, with its label where the brain learns labels and without where it does not."""

from __future__ import annotations

from daemon.abilities import abilities_of
from daemon.errors import UsageError
from daemon.streams.table_records import labelled
from daemon.system.escaping import one_line


def text_to_feed(text: str, label: str | None, kind: str | None, run_id: str) -> str:
    r"""The document that a text and its label make, for a brain of a kind.

    >>> text_to_feed("hello", " greeting ", "reflex", "r-1")
    'hello\x1fgreeting'

    Raises:
        UsageError: it has a label, and the brain learns none; it has none, and the brain learns nothing else; or the
            label is blank or no single line.
    """
    learns_labels = (abilities_of(kind) or {}).get("learns_labels", False)
    if label is None:
        if learns_labels:
            raise UsageError(
                f"label: a brain of kind {kind} learns nothing from a text without one; feed each with its label "
                "(--label)",
                path="label",
            )
        return text
    if not learns_labels:
        raise UsageError(f"label: the brain of {run_id} learns no labels; feed the text alone", path="label")
    return labelled(text, checked_label(label))


def checked_label(label: str) -> str:
    """A label without blanks around it.

    Raises:
        UsageError: it is blank, or holds line breaks or other control characters.
    """
    label = label.strip()
    if not label:
        raise UsageError("label: it is empty; name what the text is to be labelled as", path="label")
    if one_line(label) != label:
        raise UsageError(
            f"label: {one_line(label)[:60]} has line breaks or control characters; a label is one line",
            path="label",
        )
    return label
