"""A text made of several fields of a record."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Template(NamedTuple):
    """Words with fields between them, as `Q: {question} A: {answer}`; a brace itself is doubled.

    Attributes:
        parts: words, and the field behind them.
        rest: words behind the last field.
    """

    parts: tuple[tuple[str, str], ...]
    rest: str = ""

    @classmethod
    def of(cls, text: str) -> Template:
        r"""The template that is written so.

        >>> Template.of("Q: {question}\nA: {answer}.").fields
        ('question', 'answer')

        Raises:
            ValueError: a brace too many, no field, or more than its name between braces.
        """
        parts, words = [], ""
        try:
            for literal, field, form, conversion in string.Formatter().parse(text):
                words += literal
                if field is None:
                    continue
                parts.append((words, "" if form or conversion else field))
                words = ""
        except ValueError as error:
            raise ValueError(f"template {text!r}: {error}; write it as 'Q: {{question}}'") from None
        if not parts or not all(field for _, field in parts):
            found = "has no field" if not parts else "holds more or less than a field's name between braces"
            raise ValueError(f"template {text!r} {found}; write it as 'Q: {{question}}'")
        return cls(tuple(parts), words)

    @property
    def fields(self) -> tuple[str, ...]:
        """Each field once, in the order of the text."""
        return tuple(dict.fromkeys(field for _, field in self.parts))

    def fill(self, value_of: Callable[[str], bytes]) -> bytes:
        """The text, with what `value_of` gives for each field."""
        return b"".join(words.encode() + value_of(field) for words, field in self.parts) + self.rest.encode()
