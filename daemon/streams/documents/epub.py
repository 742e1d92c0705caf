"""EPUB: the chapters of a book in reading order (EPUB 3.3, section 4: OCF and package document)."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lxml import etree

from daemon.streams.documents import html
from daemon.streams.errors import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_MAX_PACKAGE_BYTES = 8 << 20
_CONTENT_TYPES = ("application/xhtml+xml", "text/html")


def chapters(path: Path) -> Iterator[str]:
    """The text of each chapter.

    Raises:
        UndecodableError: damaged, or locked by its seller.
    """
    try:
        with zipfile.ZipFile(path) as book:
            locked = _locked(book)
            for name in _spine(book):
                if name in locked:
                    raise UndecodableError("it is locked (DRM)")
                yield html.text_of(_member(book, name, html.MAX_BYTES)).strip() + "\n\n"
    except (zipfile.BadZipFile, zlib.error, etree.XMLSyntaxError, KeyError, EOFError) as error:
        raise UndecodableError(f"it is damaged ({error})") from error
    except (NotImplementedError, RuntimeError) as error:  # a packing that is unknown, or a password
        raise UndecodableError(f"it cannot be unpacked ({error})") from error


def _member(book: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    """A file of the book; never unpacked beyond `max_bytes`."""
    with book.open(name) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise UndecodableError(f"{name} unpacks to more than {max_bytes >> 20} MiB")
    return content


def _parsed(book: zipfile.ZipFile, name: str) -> Any:
    """The root of an XML file, whose entities stay as they are: none of them can grow or be fetched."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.fromstring(_member(book, name, _MAX_PACKAGE_BYTES), parser=parser)


def _spine(book: zipfile.ZipFile) -> list[str]:
    """Names of the chapters, as they are read."""
    rootfile = _parsed(book, _CONTAINER).find(".//{*}rootfile")
    if rootfile is None:
        raise UndecodableError("it is damaged (it names no package document)")
    package = rootfile.attrib["full-path"]
    root = _parsed(book, package)
    items = {
        item.attrib["id"]: item
        for item in root.findall(".//{*}manifest/{*}item")
        if item.get("media-type") in _CONTENT_TYPES
    }
    folder = posixpath.dirname(package)
    return [
        posixpath.normpath(posixpath.join(folder, unquote(items[wanted].attrib["href"])))
        for reference in root.findall(".//{*}spine/{*}itemref")
        if (wanted := reference.attrib["idref"]) in items
    ]


def _locked(book: zipfile.ZipFile) -> set[str]:
    """Names of what is encrypted; fonts often are, which locks nothing."""
    if _ENCRYPTION not in book.namelist():
        return set()
    return {
        unquote(reference.attrib["URI"])
        for reference in _parsed(book, _ENCRYPTION).iter("{http://www.w3.org/2001/04/xmlenc#}CipherReference")
    }
