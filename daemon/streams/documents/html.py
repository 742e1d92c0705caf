"""HTML as a person reads it: block by block, without scripts and markup."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from daemon.streams.errors import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 32 << 20
_DECLARED_BYTES = 2048
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)


def page(path: Path) -> Iterator[str]:
    """The text of a file."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    yield text_of(content)


def text_of(content: bytes) -> str:
    """The text of a page.

    Raises:
        UndecodableError: longer than 32 MiB, nested too deeply, or no HTML at all.
    """
    from inscriptis import Inscriptis  # noqa: PLC0415
    from inscriptis.css_profiles import CSS_PROFILES  # noqa: PLC0415
    from inscriptis.model.config import ParserConfig  # noqa: PLC0415
    from lxml import etree, html  # noqa: PLC0415

    if len(content) > MAX_BYTES:
        raise UndecodableError(f"it is longer than {MAX_BYTES >> 20} MiB")
    if not content.strip(b"\0 \t\r\n"):
        return ""
    try:
        parser = html.HTMLParser(encoding="utf-8", remove_comments=True, huge_tree=True)
        tree = html.document_fromstring(_as_utf8(content), parser=parser)
        return str(Inscriptis(tree, ParserConfig(css=CSS_PROFILES["strict"])).get_text())
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise UndecodableError(f"it is not HTML ({error})") from error
    except RecursionError as error:
        raise UndecodableError("its elements are nested too deeply") from error


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
