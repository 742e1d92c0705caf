"""HTML as a person reads it: block by block, without scripts and markup."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

from daemon.streams.errors import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 32 << 20
_DECLARED_BYTES = 2048
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f]+")
_HIDDEN = frozenset({"head", "noscript", "object", "script", "style", "svg", "template"})
_PARAGRAPHS = frozenset(
    {"blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "table", "ul"}
)
_LINES = frozenset(
    {
        "address",
        "article",
        "aside",
        "br",
        "caption",
        "dd",
        "details",
        "div",
        "dt",
        "figcaption",
        "footer",
        "form",
    }
    | {"header", "legend", "li", "main", "nav", "option", "section", "summary", "tr"}
)
_CELLS = frozenset({"td", "th"})


def page(path: Path) -> Iterator[str]:
    """The text of a file."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    yield text_of(content)


def text_of(content: bytes) -> str:
    """The text of a page.

    Raises:
        UndecodableError: longer than 32 MiB, or no HTML at all.
    """
    from lxml import etree, html  # noqa: PLC0415

    if len(content) > MAX_BYTES:
        raise UndecodableError(f"it is longer than {MAX_BYTES >> 20} MiB")
    if not content.strip(b"\0 \t\r\n"):
        return ""
    try:
        parser = html.HTMLParser(encoding="utf-8", remove_comments=True, huge_tree=True)
        tree = html.document_fromstring(_as_utf8(content), parser=parser)
        return _shown(etree.iterwalk(tree, events=("start", "end")))
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise UndecodableError(f"it is not HTML ({error})") from error


def _shown(walk: Any) -> str:
    """The text of all elements in one pass: whatever is nested in what, it takes time and room of its length."""
    shown = _Lines()
    hidden = preformatted = 0
    for event, element in walk:
        tag, begins = element.tag, event == "start"
        if tag in _HIDDEN:
            hidden += 1 if begins else -1
        if tag == "pre":
            preformatted += 1 if begins else -1
        if not hidden and tag in _PARAGRAPHS:
            shown.end_line(2)
        elif not hidden and tag in _LINES:
            shown.end_line(1)
        elif not hidden and begins and tag in _CELLS:
            shown.separate()
        text = element.text if begins else element.tail
        if text and not hidden and isinstance(tag, str):
            shown.add(text, as_it_is=preformatted > 0)
    return "".join(shown.parts)


class _Lines:
    """Text as it is put together; `due` line ends are written before what comes next."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._due = 0

    def end_line(self, num_lines: int) -> None:
        self._due = max(self._due, num_lines) if self.parts else 0

    def separate(self) -> None:
        if self.parts and not self._due:
            self.parts.append("\t")

    def add(self, text: str, *, as_it_is: bool) -> None:
        if not as_it_is:
            text = _SPACES.sub(" ", text)
            if self._due or not self.parts or self.parts[-1].endswith((" ", "\t", "\n")):
                text = text.removeprefix(" ")
        if text:
            if self._due:
                self.parts[-1] = self.parts[-1].rstrip(" ")
            self.parts += ["\n" * self._due, text]
            self._due = 0


def _as_utf8(content: bytes) -> bytes:
    """The page in UTF-8: as it is where that fits, else from what its mark or the page declares, else from Latin."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"")  # with which the parser would end
    try:
        content.decode()
    except UnicodeDecodeError:
        declared = _DECLARED.search(content[:_DECLARED_BYTES])
        try:
            return content.decode(declared[1].decode() if declared else "cp1252", "replace").encode()
        except LookupError:
            return content.decode("cp1252", "replace").encode()
    return content
