"""Text from outside, made safe to show: what would steer a terminal or break a line is shown, not obeyed."""

from __future__ import annotations

import re

# Control characters (C0, DEL, C1), what turns the direction of writing, and halves of surrogate pairs.
_STEERING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_STEERING}]")
_IN_LINE = re.compile(f"[\t\n{_STEERING}]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def shown(text: str) -> str:
    r"""Text whose lines and tabs stay, and whose other control characters can be seen.

    >>> print(shown("two\r\nlines, red \x1b[31m, a bell \x07"))
    two
    lines, red \x1b[31m, a bell \x07
    """
    return _IN_TEXT.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    r"""The same for what must stay one line: a name, a message.

    >>> print(one_line("two\nlines, turned \u202e, a byte of a file name \udcff"))
    two\nlines, turned \u202e, a byte of a file name \xff
    """
    return _IN_LINE.sub(_escape, text)


def typeable(text: str) -> str:
    r"""A name without what a person cannot type or see: blanks around it or doubled, control characters.

    >>> typeable("  two\nlines,\t a \x1b bell\u202e ")
    'two lines, a bell'
    """
    return " ".join(_IN_LINE.sub(" ", text).split())


def quoted(name: str) -> str:
    """A name as it can stand in a sentence: in quotes where it would not be seen otherwise.

    >>> print(quoted("first"), quoted(""), quoted(" x"))
    first "" " x"
    """
    return f'"{name}"' if name != name.strip() or not name else name


def shown_json(text: str) -> str:
    r"""A JSON document whose every control character is escaped as JSON does, so that it reads back the same.

    >>> print(shown_json('{"a": "\x9b31m"}'))
    {"a": "\u009b31m"}
    """
    return _IN_TEXT.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is not valid UTF-8, as Python carries it
        number -= 0xDC00
    return _SHORT.get(character) or (f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}")
