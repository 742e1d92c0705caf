"""Text in the encodings of the world, cut wherever chance will have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.streams.decoding import decode
from tests.fixtures.languages import TEXTS, long_text
from tests.fixtures.latin_texts import TABLE, mixed
from tests.unit.daemon.streams.opening import Opener, through_json

if TYPE_CHECKING:
    from pathlib import Path

OLD = sorted(set(TEXTS) - {"utf-8", "utf-8-sig", "utf-16", "utf-32"})


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


def read(opener: Opener, path: Path) -> bytes:
    """The beginning of a file as a lane reads it."""
    rows, _ = opener(path, lanes=1, segment_bytes=60_000).next([0])
    return rows.bytes[0, : rows.length[0]].tobytes()


@pytest.mark.fault(
    "Text in old encodings",
    tried="Shift_JIS, EUC-JP, GB18030, Big5, EUC-KR and cp1251 over 64 KiB, at every alignment; fed, too",
    happens="read as the text it is, wherever a look at its head ends",
)
@pytest.mark.parametrize("encoding", OLD)
def test_a_long_text_is_recognised_at_every_alignment(tmp_path: Path, opener: Opener, encoding: str) -> None:
    for shift in range(4):
        content = b"a" * shift + long_text(encoding, 70_000)
        path = tmp_path / f"{shift}.txt"
        path.write_bytes(content)
        text = content.decode(encoding)
        assert text.encode().startswith(read(opener, path))
        assert decode(content) == text
        assert decode(content[:-1]).startswith(text[:-1])


@pytest.mark.fault(
    "Text in old encodings",
    tried="German, French, Swedish, Polish, Hungarian, Slovenian and Turkish in the code pages of Windows, ISO and DOS",
    happens="recognised by its letters, not taken for a neighbour code page, at every alignment",
)
@pytest.mark.parametrize(("language", "codec"), TABLE)
def test_a_code_page_is_not_taken_for_its_neighbours(
    tmp_path: Path, opener: Opener, language: str, codec: str
) -> None:
    for shift in range(2):
        text = "a" * shift + mixed(language, codec, 70_000)
        path = tmp_path / f"{shift}.txt"
        path.write_bytes(text.encode(codec))
        assert text.encode().startswith(read(opener, path))


@pytest.mark.fault(
    "Text in old encodings",
    tried="a followed file in each of ten encodings, every write ending inside a character; a resume between",
    happens="the character is read whole once its last byte is there; none is lost",
)
@pytest.mark.parametrize("encoding", sorted(TEXTS))
def test_no_character_is_lost_where_a_write_ends(tmp_path: Path, opener: Opener, encoding: str) -> None:
    content, path, text = long_text(encoding, 4000), tmp_path / "app.log", b""
    cursor = None
    for end in (2001, 2002, 2003, 2503, 3334, len(content)):
        path.write_bytes(content[:end])
        opener.seconds += 1.0
        stream = opener(path, lanes=1, at_end="wait", cursor=cursor)
        while len((rows := stream.next([0])[0]).length):
            text += rows.bytes[0, : rows.length[0]].tobytes()
        text.decode()
        cursor = through_json(stream.cursor())
    assert text.decode() == content.decode(encoding).removeprefix("\ufeff")
