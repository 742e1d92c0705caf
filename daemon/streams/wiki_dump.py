"""Plain text of the articles of a MediaWiki dump, page by page in constant memory.

Source of the format: https://www.mediawiki.org/wiki/Help:Export.
"""

from __future__ import annotations

import bz2
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree as ET

from daemon.errors import StreamError
from daemon.system.counting import counted
from daemon.system.paths import shown
from daemon.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIN_CHARACTERS = 100  # an article must have more
ARTICLES = "0"  # their namespace
BETWEEN = b"\n\n"
COMPRESSED = ".bz2"


@dataclass(kw_only=True)
class Extracted:
    """What was written so far.

    Attributes:
        num_articles: of them.
        num_bytes: of their text.
        num_pages: pages looked at, articles or not.
    """

    num_articles: int = 0
    num_bytes: int = 0
    num_pages: int = 0


def plain_text(wikitext: str) -> str:
    """Wikitext without templates, tables, references and markup.

    Raises:
        ImportError: mwparserfromhell is not installed.
    """
    import mwparserfromhell  # noqa: PLC0415 - only who reads a dump needs it

    code = mwparserfromhell.parse(wikitext)
    for tag in code.filter_tags(matches=lambda node: str(node.tag) in {"ref", "table", "gallery"}):
        try:
            code.remove(tag)
        except ValueError:  # it stood in one that is gone already
            continue
    return str(code.strip_code(normalize=True, collapse=True)).strip()


def extract_articles(
    dump: Path,
    output: Path,
    *,
    plain: Callable[[str], str] = plain_text,
    on_page: Callable[[Extracted], None] = lambda _: None,
) -> Extracted:
    """Write the text of every article longer than 100 characters, an empty line between them.

    Redirects and pages of other namespaces are left out. The file appears under its name when it is whole.

    Args:
        dump: `…-pages-articles.xml.bz2`, or the XML itself.
        output: the file.
        plain: text of a page's wikitext.
        on_page: called after each page.

    Raises:
        StreamError: the dump is damaged or ends early, or one of the files cannot be opened; nothing is left then.
    """
    done = Extracted()
    try:
        with _opened(dump) as source, whole_file(output) as target:
            for text in _articles(source, done):
                if len(article := plain(text)) > MIN_CHARACTERS:
                    piece = article.encode("utf-8", "replace")
                    done.num_bytes += target.write(piece if not done.num_articles else BETWEEN + piece)
                    done.num_articles += 1
                on_page(done)
    except (EOFError, OSError, ET.ParseError) as error:
        raise StreamError(_what_is_wrong(dump, error, done)) from error
    return done


def _opened(dump: Path) -> IO[bytes]:
    return bz2.open(dump, "rb") if dump.suffix == COMPRESSED else dump.open("rb")


def _articles(source: IO[bytes], done: Extracted) -> Iterator[str]:
    """Wikitext of each article, while what was read before is dropped."""
    parsed = iter(ET.iterparse(source, events=("start", "end")))  # noqa: S314 - expat itself refuses entities that blow up
    _, root = next(parsed)
    if _name(root) != "mediawiki":
        raise ET.ParseError(f"it is <{_name(root)}> and not <mediawiki>")
    for event, element in parsed:
        if event == "end" and _name(element) == "page":
            done.num_pages += 1
            parts = {_name(part): part for part in element.iter()}
            if "redirect" not in parts and _text(parts, "ns") == ARTICLES:
                yield _text(parts, "text")
            root.clear()  # the page, and its place in the root


def _name(element: ET.Element) -> str:
    """The tag without the namespace of the format's version."""
    return element.tag.rpartition("}")[2]


def _text(parts: dict[str, ET.Element], name: str) -> str:
    return (parts[name].text or "") if name in parts else ""


def _what_is_wrong(dump: Path, error: Exception, done: Extracted) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"{shown(dump)} cannot be read: {os.strerror(error.errno)}"
    if not done.num_pages and not isinstance(error, EOFError):
        return (
            f"{shown(dump)} is not a MediaWiki dump ({error}); give a …-pages-articles.xml.bz2, or the XML in it. "
            "Nothing was written"
        )
    reason = "it ends early" if isinstance(error, EOFError) else str(error)
    after = counted(done.num_pages, "page")
    return f"{shown(dump)} is damaged after {after} ({reason}); download it again. Nothing was written"
