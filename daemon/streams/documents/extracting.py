"""The text of a document, taken out of its form piece by piece."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daemon.streams.documents.forms import EPUB, FORMS, HTML, MAIL, MBOX, PDF
from daemon.streams.documents.libraries import INSTALL, missing_libraries
from daemon.streams.errors import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?")
_BLANK_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n){2,}")


def text_of(path: Path, form: str) -> Generator[str]:
    """Pieces of the text of a document, without control characters and long gaps.

    Args:
        path: of the file.
        form: one of `FORMS`.

    Raises:
        UndecodableError: locked, damaged, without text, or its library is not installed.
        OSError: it cannot be read.
    """
    if form in (PDF, EPUB, HTML) and (missing := missing_libraries()):
        raise UndecodableError(f"reading it needs {' and '.join(missing)}: {INSTALL}")
    empty = True
    for piece in _guarded(_pieces(path, form)):
        text = _LINE_ENDS.sub("\n", piece)
        text = _BLANK_LINES.sub("\n\n", _CONTROLS.sub("", text))
        empty = empty and not any(map(str.isalnum, text))
        yield text
    if empty:
        raise UndecodableError("it holds no text" + (", only pictures perhaps" if form == PDF else ""))


def _guarded(pieces: Iterator[str]) -> Iterator[str]:
    """The pieces; whatever a damaged document breaks in a library costs that document alone."""
    try:
        yield from pieces
    except (UndecodableError, OSError):
        raise
    except Exception as error:
        raise UndecodableError(f"it is damaged ({type(error).__name__}: {error})") from error


def _pieces(path: Path, form: str) -> Iterator[str]:
    # Each imports its library, which most runs never need.
    if form == PDF:
        from daemon.streams.documents.pdf import pages  # noqa: PLC0415

        return pages(path)
    if form == EPUB:
        from daemon.streams.documents.epub import chapters  # noqa: PLC0415

        return chapters(path)
    if form == HTML:
        from daemon.streams.documents.html import page  # noqa: PLC0415

        return page(path)
    if form in (MBOX, MAIL):
        from daemon.streams.documents.mail import messages  # noqa: PLC0415

        return messages(path, many=form == MBOX)
    raise ValueError(f"{form} is none of {', '.join(FORMS)}")
