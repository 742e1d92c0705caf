"""A wiki's dump becomes text: articles alone, all or nothing."""

from __future__ import annotations

import bz2
from typing import TYPE_CHECKING

import pytest

from daemon.errors import StreamError, UnwritableError
from daemon.streams.wiki_dump import extract_articles, plain_text

if TYPE_CHECKING:
    from pathlib import Path

LONG = "Кот — животное. " * 10


def page(title: str, text: str, *, namespace: int = 0, redirect: bool = False) -> str:
    to = '<redirect title="Кот" />' if redirect else ""
    return (
        f"<page><title>{title}</title><ns>{namespace}</ns>{to}"
        f"<revision><text xml:space='preserve'>{text}</text></revision></page>"
    )


PAGES = [
    page("Кот", LONG),
    page("Кошка", LONG, redirect=True),
    page("Обсуждение", LONG, namespace=1),
    page("Пёс", "Коротко."),
    page("Слон", f"Слон. {LONG}"),
]


def dump_of(pages: list[str]) -> bytes:
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo/>'
    return (head + "".join(pages) + "</mediawiki>").encode()


@pytest.mark.parametrize("name", ["dump.xml.bz2", "dump.xml"])
def test_articles_longer_than_100_characters_become_text(tmp_path: Path, name: str) -> None:
    dump, output = tmp_path / name, tmp_path / "wiki.txt"
    whole = dump_of(PAGES)
    # Wikipedia's own dumps are many streams, one behind the other.
    packed = bz2.compress(whole[:200]) + bz2.compress(whole[200:])
    dump.write_bytes(packed if name.endswith("bz2") else whole)
    seen = []
    done = extract_articles(dump, output, plain=str.strip, on_page=lambda done: seen.append(done.num_pages))
    assert output.read_text("utf-8") == f"{LONG.strip()}\n\nСлон. {LONG.strip()}"
    assert (done.num_articles, done.num_bytes) == (2, output.stat().st_size)
    assert seen[-1] == len(PAGES)
    assert {path.name for path in tmp_path.iterdir()} == {name, "wiki.txt"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bz2.compress(dump_of(PAGES * 50))[:-20], "ends early"),
        (b"BZh9 is how it begins, no more", r"is not a MediaWiki dump \(Invalid data stream\)"),
        (bz2.compress(dump_of(PAGES)[:-30]), "damaged after 4 pages .*no element found"),
        (bz2.compress(dump_of(PAGES[:2])[:-30]), r"damaged after 1 page \("),
        (bz2.compress(b"<html></html>"), "is not a MediaWiki dump .*not <mediawiki>"),
        (bz2.compress(b"a plain text"), "is not a MediaWiki dump"),
        (bz2.compress(b""), "is not a MediaWiki dump"),
    ],
)
def test_a_damaged_dump_is_one_line_and_leaves_nothing(tmp_path: Path, content: bytes, reason: str) -> None:
    dump, output = tmp_path / "dump.xml.bz2", tmp_path / "wiki.txt"
    dump.write_bytes(content)
    output.write_text("what was there")
    with pytest.raises(StreamError, match=reason) as raised:
        extract_articles(dump, output, plain=str.strip)
    assert "\n" not in str(raised.value)
    assert output.read_text() == "what was there"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_dump_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"dump\.xml\.bz2 cannot be read: No such file"):
        extract_articles(tmp_path / "dump.xml.bz2", tmp_path / "wiki.txt", plain=str.strip)
    assert not list(tmp_path.iterdir())


def test_markup_is_left_out() -> None:
    text = (
        "'''Кот''' — [[Домашние животные|животное]].<ref>Книга</ref> {{шаблон|a=1}}\n{| class=x\n| ячейка\n|}"
    )
    assert plain_text(text) == "Кот — животное."


def test_a_place_that_cannot_be_written_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "dump.xml").write_bytes(dump_of(PAGES))
    with pytest.raises(
        UnwritableError, match=r"nope/wiki\.txt cannot be written: there is no folder"
    ) as raised:
        extract_articles(tmp_path / "dump.xml", tmp_path / "nope" / "wiki.txt", plain=str.strip)
    assert ".saving" not in str(raised.value)
