"""Long work between two steps lets go when the run is to end, so that the last save comes within the grace time."""

from __future__ import annotations


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """The work was given up half done, and has left no trace that a later try could not repeat."""

    def __init__(self) -> None:
        super().__init__("interrupted: the run is to end; ask again once it learns")
